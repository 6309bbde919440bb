// [models]: the folders that stages take as models, the check of the domain's prompts by their tokenizers, and notes on their schedulers.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/progress.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"
#include "runtime/modelfile/prompt_check.h"
#include "runtime/modelfile/scheduler_file.h"
#include "runtime/modelfile/text_front.h"
#include "runtime/modelfile/tokenizer_files.h"
#include "runtime/tensor/failure.h"

namespace espalier::config {
namespace {

// Those keys of network::NetworkSettings that an entry may set.
constexpr std::array kSettings = {"clip_skip", "sample_mode", "vae_tiling", "original_size", "crops_coords_top_left", "target_size"};

// Reads the keys of an entry. Each problem is reported at its key.
class EntryReader {
 public:
  EntryReader(const Node& table, const std::string& place, Problems& problems) : table_(table), place_(place), problems_(problems) {}

  // { folder = "...", initialize_weights = true, dtype = "bfloat16", ... }
  void read(const std::string& device, ModelEntry& entry) {
    check_keys(table_, known_keys(), place_, problems_);
    if (const auto folder = read_string(table_, "folder", true, place_, problems_)) entry.folder = *folder;
    if (const auto adapter = read_string(table_, "adapter", false, place_, problems_)) entry.adapter = *adapter;
    entry.initialize_weights = flag("initialize_weights");
    entry.refuses_long_prompts = choice("on_prompt_overflow", {"truncate", "error"}) == "error";
    entry.dtype = read_dtype(table_, device, place_, problems_);
    if (const auto variant = read_string(table_, "variant", false, place_, problems_)) {
      const auto where = table_.find("variant")->where;
      if (check_word(*variant, where, place_ + ": a variant", problems_)) entry.variant = *variant;
    }
    entry.prediction_type = choice("prediction_type", {"epsilon", "v_prediction", "sample"}).value_or("");
    entry.height = pixels("height");
    entry.width = pixels("width");
    read_settings(entry);
  }

 private:
  static std::vector<std::string> known_keys() {
    std::vector<std::string> keys = {"folder", "adapter", "initialize_weights", "on_prompt_overflow", "dtype", "variant", "prediction_type",
                                     "height", "width"};
    keys.insert(keys.end(), kSettings.begin(), kSettings.end());
    return keys;
  }

  void read_settings(ModelEntry& entry) {
    for (const char* key : kSettings) {
      const Field* field = table_.find(key);
      if (field == nullptr) continue;
      const Value given = Value::Map{{key, field->value.to_value()}};
      try {
        modelfile::check_settings(given, place_);
        entry.settings[key] = given.at(key);
      } catch (const DataError& error) {
        problems_.add(field->where, error.what());
      }
    }
  }

  bool flag(const std::string& key) {
    const Field* field = table_.find(key);
    if (field == nullptr) return false;
    const Value& value = field->value.scalar;
    if (field->value.shape == Node::Shape::scalar && value.is_bool()) return value.as_bool();
    problems_.add(field->where, fmt::format("{}: '{}' is true or false; found {}", place_, key, field->value.found()));
    return false;
  }

  // 0: not set.
  std::int64_t pixels(const std::string& key) {
    const Field* field = table_.find(key);
    if (field == nullptr) return 0;
    const Value& value = field->value.scalar;
    if (field->value.shape == Node::Shape::scalar && value.is_integer() && value.as_integer() >= 1) return value.as_integer();
    problems_.add(field->where, fmt::format("{}: '{}' is a number of pixels, from 1; found {}", place_, key, field->value.found()));
    return 0;
  }

  std::optional<std::string> choice(const std::string& key, const std::vector<std::string>& known) {
    return read_choice(table_, key, known, place_, problems_);
  }

  const Node& table_;
  const std::string& place_;
  Problems& problems_;
};

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

// Returns the prompts of all splits, because a held-out prompt may have the same token ids as one of training, and the stages' negative
// prompts.
std::vector<std::string> all_prompts(const PipelineSpec& spec) {
  const Dataset& data = spec.domain->data();
  std::vector<std::string> prompts;
  for (const std::string& split : data.splits()) std::ranges::copy(data.conditions(split).text, std::back_inserter(prompts));
  for (const StageSpec& stage : spec.stages) {
    const Value* negative = stage.keyed.find("negative_prompt");
    if (negative != nullptr && negative->is_string()) prompts.push_back(negative->as_string());
  }
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
      EntryReader(model.value, place, problems).read(spec.device, entry);
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
    const std::string place = "[models]: " + name;
    try {
      modelfile::require_folder(entry.folder);
    } catch (const ConfigError& error) {
      problems.add(entry.where, fmt::format("{}: {}", place, error.what()));
    }
    if (entry.adapter && !std::filesystem::exists(*entry.adapter)) {
      problems.add(entry.where, fmt::format("{}: {}: no such folder or file of an adapter", place, entry.adapter->string()));
    }
    const auto names = modelfile::tokenizers_of(entry.folder);
    if (names.empty()) continue;
    try {
      std::vector<modelfile::ClipTokenizer> tokenizers;
      for (const std::string& tokenizer : names) tokenizers.emplace_back(entry.folder / tokenizer);
      const auto first = entry.folder / names.front();
      const auto vocabulary = (first / modelfile::required_tokenizer_files(first).front()).string();
      const modelfile::PromptCheck ids(tokenizers, all_prompts(spec), {place, vocabulary, entry.refuses_long_prompts});
      for (const std::string& note : ids.notes()) {
        spec.notes.push_back(name + ": " + note);
        make_progress()->say("model '" + name + "': " + note);
      }
    } catch (const DataError& error) {
      problems.add(entry.where, std::string(error.what()).starts_with(place) ? error.what() : place + ": " + error.what());
    }
  }
}

void read_schedulers(PipelineSpec& spec, Problems& problems) {
  for (const std::string& name : used_models(spec)) {
    const ModelEntry& entry = spec.models.at(name);
    // Opening the folder reports a missing file, together with all others that are missing.
    if (!std::filesystem::is_regular_file(entry.folder / modelfile::kSchedulerFile)) continue;
    try {
      for (const std::string& note : modelfile::read_scheduler_file(entry.folder, entry.prediction_type).notes) {
        spec.notes.push_back(name + ": " + note);
        make_progress()->say("model '" + name + "': " + note);
      }
    } catch (const Error& error) {
      problems.add(entry.where, fmt::format("[models]: {}: {}", name, error.what()));
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
