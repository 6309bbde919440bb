#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/exchange/formats.h"

namespace espalier::exchange {
namespace {

bool is_clause(const Value& clause) {
  if (!clause.is_map()) return false;
  const auto *name = clause.find("class"), *count = clause.find("count");
  return name != nullptr && name->is_string() && count != nullptr && count->is_integer() && count->as_integer() > 0;
}

// Whether the key is a list of clauses, as the evaluator reads it.
bool has_clauses(const Value& metadata, const char* key) {
  const auto* clauses = metadata.find(key);
  if (clauses == nullptr || !clauses->is_list() || clauses->as_list().empty()) return false;
  for (const auto& clause : clauses->as_list()) {
    if (!is_clause(clause)) return false;
  }
  return true;
}

// An image of an object without clauses is always "correct".
void check(const std::string& prompt, const Value& metadata) {
  const auto* tag = metadata.find("tag");
  if (tag == nullptr || !tag->is_string()) {
    throw ConfigError(
        fmt::format("geneval: the prompt '{}' has no 'tag' in its condition metadata; export prompts of GenEval's form, such as "
                    "the published set's",
                    prompt));
  }
  if (!has_clauses(metadata, "include") || (metadata.contains("exclude") && !has_clauses(metadata, "exclude"))) {
    throw ConfigError(
        fmt::format("geneval: 'include' (and 'exclude', where there is one) of the prompt '{}' must be a list of tables with "
                    "'class' and 'count'",
                    prompt));
  }
}

// What GenEval's own file says of the prompt, and which export it is. The domain adds "prompts" and "category", which are no part of it.
std::string metadata_text(const std::string& prompt, const Value& metadata, const Hex& export_id) {
  Value own = Value::Map{{"prompt", prompt}, {kExportId, export_id}};
  for (const char* key : {"tag", "include", "exclude"}) {
    if (const auto* value = metadata.find(key)) own[key] = *value;
  }
  return to_json(own) + "\n";
}

}  // namespace

ImageExport geneval(const SampleList& list) {
  ImageExport exported{std::vector<ExportedSample>(list.index.size()), {}};
  const auto positions = by_condition(list);
  for (std::size_t prompt = 0; prompt < positions.size(); ++prompt) {
    check(list.text[prompt], list.metadata[prompt]);
    if (positions[prompt].empty()) throw ConfigError(fmt::format("geneval: the prompt '{}' has no sample", list.text[prompt]));
    const auto folder = fmt::format("{:05}", prompt);
    exported.texts[folder + "/metadata.jsonl"] = metadata_text(list.text[prompt], list.metadata[prompt], list.export_id);
    for (std::size_t k = 0; k < positions[prompt].size(); ++k) {
      const auto at = positions[prompt][k];
      exported.samples[at] = {list.index[at], fmt::format("{}/samples/{:05}.png", folder, k), list.text[prompt]};
    }
  }
  return exported;
}

}  // namespace espalier::exchange
