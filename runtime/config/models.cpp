// [models]: folders that stages take as models, and what their tokenizers make of the domain's prompts.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/progress.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"
#include "runtime/modelfile/prompt_check.h"
#include "runtime/tensor/failure.h"

namespace espalier::config {
namespace {

// { folder = "...", initialize_weights = true, on_prompt_overflow = "error" }
void read_entry(const Field& field, const std::string& place, ModelEntry& entry, Problems& problems) {
  const Node& table = field.value;
  check_keys(table, {"folder", "initialize_weights", "on_prompt_overflow"}, place, problems);
  if (const auto folder = read_string(table, "folder", true, place, problems)) entry.folder = *folder;
  if (const Field* flag = table.find("initialize_weights")) {
    const Value& value = flag->value.scalar;
    if (flag->value.shape != Node::Shape::scalar || !value.is_bool()) {
      problems.add(flag->where, fmt::format("{}: 'initialize_weights' is true or false; found {}", place, flag->value.found()));
    } else {
      entry.initialize_weights = value.as_bool();
    }
  }
  if (const auto overflow = read_string(table, "on_prompt_overflow", false, place, problems)) {
    if (*overflow != "truncate" && *overflow != "error") {
      problems.add(table.find("on_prompt_overflow")->where,
                   fmt::format("{}: 'on_prompt_overflow' is one of: truncate, error; found '{}'", place, *overflow));
    }
    entry.refuses_long_prompts = *overflow == "error";
  }
}

// The model folders that inputs name.
std::set<std::string> used_models(const PipelineSpec& spec) {
  std::set<std::string> used;
  for (const StageSpec& stage : spec.stages) {
    for (const StageInput& input : stage.inputs) {
      for (const std::string& tag : input.tags) {
        if (spec.is_folder(tag)) used.insert(tag);
      }
    }
  }
  return used;
}

// Of all splits: a held-out prompt may have become one of training.
std::vector<std::string> all_prompts(const Dataset& data) {
  std::vector<std::string> prompts;
  for (const std::string& split : data.splits()) std::ranges::copy(data.conditions(split).text, std::back_inserter(prompts));
  return prompts;
}

}  // namespace

void read_models(const Node& root, PipelineSpec& spec, Problems& problems) {
  const Field* field = root.find("models");
  if (field == nullptr) return;
  if (!field->value.is_table()) {
    problems.add(field->where, fmt::format("'models' is a table, [models]; found {}", field->value.found()));
    return;
  }
  for (const Field& model : field->value.fields) {
    const std::string place = "[models]: " + model.key;
    if (!check_word(model.key, model.where, "[models]: a name", problems)) continue;
    ModelEntry entry;
    entry.where = model.where;
    if (model.value.is_table()) {
      read_entry(model, place, entry, problems);
    } else if (model.value.is_string()) {
      entry.folder = model.value.scalar.as_string();
    } else {
      problems.add(model.where, fmt::format("{} is a folder, or a table with the key 'folder'; found {}", place, model.value.found()));
    }
    spec.models.emplace(model.key, std::move(entry));
  }
}

void check_overridden_models(const PipelineSpec& spec, const std::vector<Draft>& drafts, Problems& problems) {
  std::set<std::string> taken;
  for (const Draft& draft : drafts) {
    for (const StageInput& input : draft.spec.inputs) taken.insert(input.tags.begin(), input.tags.end());
  }
  for (const auto& [name, entry] : spec.models) {
    if (!entry.where.file.starts_with("--set ") || taken.contains(name)) continue;
    std::vector<std::string> others;
    for (const auto& [other, used] : spec.models) {
      if (taken.contains(other)) others.push_back(other);
    }
    problems.add(entry.where, fmt::format("no stage takes a model '{}'{}", name, did_you_mean(name, others)));
  }
}

void read_prompts(PipelineSpec& spec, Problems& problems) {
  for (const std::string& name : used_models(spec)) {
    const ModelEntry& entry = spec.models.at(name);
    const auto tokenizer = entry.folder / "tokenizer";
    const std::string place = "[models]: " + name;
    if (!std::filesystem::is_directory(entry.folder)) {
      problems.add(entry.where, fmt::format("{}: {}: no such model folder", place, entry.folder.string()));
    }
    if (!std::filesystem::is_directory(tokenizer)) continue;
    try {
      const modelfile::PromptCheck ids(modelfile::ClipTokenizer(tokenizer), all_prompts(spec.domain->data()),
                                       {place, (tokenizer / "vocab.json").string(), entry.refuses_long_prompts});
      for (const std::string& note : ids.notes()) {
        spec.notes.push_back(name + ": " + note);
        make_progress()->say("model '" + name + "': " + note);
      }
    } catch (const DataError& error) {
      problems.add(entry.where, std::string(error.what()).starts_with(place) ? error.what() : place + ": " + error.what());
    }
  }
}

std::string new_form_of_model(const Node& domain_options) {
  const auto text_of = [&](const char* name, const std::string& absent) {
    const Field* field = domain_options.find(name);
    return field != nullptr && field->value.shape == Node::Shape::scalar ? to_json(field->value.scalar) : absent;
  };
  std::string entry = text_of("model", "\"<folder>\"");
  std::string more;
  for (const char* name : {"initialize_weights", "on_prompt_overflow"}) {
    if (domain_options.find(name) != nullptr) more += fmt::format(", {} = {}", name, text_of(name, "..."));
  }
  if (!more.empty()) entry = fmt::format("{{ folder = {}{} }}", entry, more);
  return fmt::format("  [models]\n  base = {}\nand inputs = {{ model = \"base\" }} in the stages that took \"domain\"", entry);
}

}  // namespace espalier::config
