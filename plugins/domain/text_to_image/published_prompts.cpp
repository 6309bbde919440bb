#include "plugins/domain/text_to_image/published_prompts.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "plugins/shared/folder/data.h"
#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;

void set_all(PromptList& list, const std::string& key, const std::string& value) {
  for (Value& about : list.metadata) about[key] = value;
}

// The file's own key for the category.
void copy_category(PromptList& list, const std::string& key) {
  for (Value& about : list.metadata) about["category"] = about.at(key);
}

// T2I-CompBench and its ++ version (Huang et al.): eight categories, each with a training and a validation list.
PromptList t2i_compbench(const fs::path& folder, const std::string& split) {
  PromptList all;
  for (const char* category : {"color", "shape", "texture", "spatial", "3d_spatial", "numeracy", "non_spatial", "complex"}) {
    auto list = read_prompt_file(folder / (std::string(category) + (split == "train" ? "_train.txt" : "_val.txt")));
    set_all(list, "category", category);
    all.append(std::move(list));
  }
  return all;
}

PromptList geneval(const fs::path& folder, const std::string&) {
  auto list = read_prompt_file(folder / "evaluation_metadata.jsonl", "prompt");
  copy_category(list, "tag");
  return list;
}

PromptList parti_prompts(const fs::path& folder, const std::string&) {
  auto list = read_prompt_file(folder / "PartiPrompts.tsv", "Prompt");
  copy_category(list, "Category");
  return list;
}

PromptList genai_bench(const fs::path& folder, const std::string&) { return read_prompt_file(folder / "prompts.txt"); }

// "a cat riding a bike": DDPO's prompts for a vision-language reward, every animal with every activity.
PromptList ddpo(const fs::path& folder, const std::string&) {
  constexpr std::string_view vowels = "aeiou";
  const auto animals = read_prompt_file(folder / "simple_animals.txt");
  const auto activities = read_prompt_file(folder / "activities.txt");
  PromptList list;
  for (const auto& activity : activities.text) {
    for (const auto& animal : animals.text) {
      const std::string article = vowels.find(animal.front()) == std::string_view::npos ? "a " : "an ";
      list.add(article + animal + " " + activity, Value::Map{{"animal", animal}, {"category", activity}});
    }
  }
  list.carriage_returns = animals.carriage_returns + activities.carriage_returns;
  list.empty_lines = animals.empty_lines + activities.empty_lines;
  return list;
}

struct Published {
  std::string name, folder;
  std::vector<std::string> splits;
  PromptList (*read)(const fs::path& folder, const std::string& split);
};

const std::vector<Published>& all_published() {
  static const std::vector<Published> all = {
      {"t2i_compbench", "t2i_compbench", {"train", "held_out"}, t2i_compbench},
      {"geneval", "geneval", {"held_out"}, geneval},
      {"parti_prompts", "parti_prompts", {"held_out"}, parti_prompts},
      {"genai_bench", "genai_bench_527", {"held_out"}, genai_bench},
      {"ddpo", "ddpo", {"train"}, ddpo},
  };
  return all;
}

const Published& find_published(const std::string& name) {
  const auto& all = all_published();
  const auto found = std::ranges::find(all, name, &Published::name);
  if (found == all.end()) throw InternalError("there are no published prompts '" + name + "'");
  return *found;
}

}  // namespace

const std::vector<std::string>& published_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& published : all_published()) result.push_back(published.name);
    return result;
  }();
  return names;
}

bool is_published(const std::string& name) { return std::ranges::find(published_names(), name) != published_names().end(); }

std::vector<std::string> published_splits(const std::string& name) { return find_published(name).splits; }

PromptList published_prompts(const std::string& name, const std::string& split) {
  const auto& published = find_published(name);
  const auto data = "prompts/" + published.folder;
  const auto folder =
      folder::find_data(data, "domain.text_to_image", folder::DataKind::folder, "\"" + name + "\" stands for \"" + data + "\", which");
  auto list = published.read(folder, split);
  set_all(list, "prompts", name);
  return list;
}

}  // namespace espalier::text_to_image
