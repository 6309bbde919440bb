#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/exchange/formats.h"

namespace espalier::exchange {
namespace {

constexpr std::size_t kLongestName = 255;  // bytes, of nearly every file system

[[noreturn]] void refuse(const std::string& prompt, const std::string& what) {
  throw ConfigError(fmt::format("t2i_compbench: the prompt '{}' {}", prompt, what));
}

// The scripts find the prompt in the file's name: what stands before the first '_'.
void check_prompt(const std::string& prompt) {
  if (prompt.find('_') != std::string::npos) refuse(prompt, "has a '_', at which the scripts cut it; write it otherwise");
  if (prompt.find('/') != std::string::npos) refuse(prompt, "has a '/', which no file name can have; write it otherwise");
  if (prompt.find(".png") != std::string::npos) refuse(prompt, "has '.png', at which the scripts cut the name; write it otherwise");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(prompt, is_control)) refuse(prompt, "has a control character; write it otherwise");
  if (prompt.empty()) refuse(prompt, "is empty, and no prompt to judge by");
}

std::string category_of(const std::string& prompt, const Value& metadata) {
  const auto* category = metadata.find("category");
  if (category == nullptr) return "";
  if (!category->is_string() || category->as_string().empty()) refuse(prompt, "has a 'category' that is no text");
  const auto& name = category->as_string();
  if (name.starts_with('.') || name.find_first_of("/=") != std::string::npos) {
    refuse(prompt, "has the category '" + name + "', which cannot be a folder's name here (no '.' at the start, no '/' or '=')");
  }
  return name;
}

std::string file_name(const std::string& prompt, std::int64_t id) {
  auto name = fmt::format("{}_{:06}.png", prompt, id);
  if (name.size() > kLongestName) {
    refuse(prompt, fmt::format("makes a file name of {} bytes; a name has at most {}", name.size(), kLongestName));
  }
  return name;
}

}  // namespace

ImageExport t2i_compbench(const SampleList& list) {
  ImageExport exported{std::vector<ExportedSample>(list.index.size()), {}};
  std::map<std::string, std::int64_t> next;  // id, by category
  const auto positions = by_condition(list);
  for (std::size_t prompt = 0; prompt < positions.size(); ++prompt) {
    const auto& text = list.text[prompt];
    const auto& samples = positions[prompt];
    check_prompt(text);
    if (samples.size() != kCompbenchSamples) {
      refuse(text,
             fmt::format("has {} samples, and the scripts read {} a prompt: set samples_per_condition = {}; excluded samples are missing "
                         "here",
                         samples.size(), kCompbenchSamples, kCompbenchSamples));
    }
    const auto category = category_of(text, list.metadata[prompt]);
    for (const auto at : samples) {
      const auto id = next[category]++;
      exported.samples[at] = {list.index[at], (category.empty() ? "" : category + "/") + "samples/" + file_name(text, id), text, category,
                              id};
    }
  }
  if (next.size() > 1 && next.contains("")) {
    throw ConfigError(
        "t2i_compbench: some prompts have a 'category' in their condition metadata and some have none; give all or none of them one");
  }
  return exported;
}

}  // namespace espalier::exchange
