#include <fmt/format.h>

#include <set>

#include "runtime/base/errors.h"
#include "runtime/exchange/formats.h"

namespace espalier::exchange {
namespace {

constexpr const char* kMixed = "mixed";

// The type that a column of this value has; "": null, or an empty list, which fit any.
std::string column_type(const Value& value) {
  if (value.is_null()) return "";
  if (value.is_number()) return "number";
  if (value.is_bool() || value.is_string()) return value.type_name();
  if (!value.is_list()) return kMixed;
  std::set<std::string> types;
  for (const auto& element : value.as_list()) types.insert(element.is_list() ? kMixed : column_type(element));
  if (types.empty()) return "";
  return types.size() == 1 && !types.contains(kMixed) && !types.contains("") ? "list of " + *types.begin() : kMixed;
}

// The names of metadata that are written as JSON texts.
std::set<std::string> mixed_columns(const std::vector<Value>& metadata) {
  std::map<std::string, std::set<std::string>> types;
  for (const auto& one : metadata) {
    for (const auto& [name, value] : one.as_map()) types[name].insert(column_type(value));
  }
  std::set<std::string> mixed;
  for (auto& [name, found] : types) {
    found.erase("");
    if (found.size() > 1 || found.contains(kMixed)) mixed.insert(name);
  }
  return mixed;
}

// ImageFolder takes columns whose names end so for paths of further images, and makes the column "image" itself.
void check_name(const std::string& name) {
  for (const char* ending : {"file_name", "file_names"}) {
    if (name == ending || name.ends_with(std::string("_") + ending)) {
      throw ConfigError(
          fmt::format("imagefolder: the condition metadata has '{}', which ImageFolder would take for images; rename it", name));
    }
  }
  for (const char* own : {"image", "index", "text"}) {
    if (name == own)
      throw ConfigError(fmt::format("imagefolder: the condition metadata has '{}', a column of the export's own; rename it", name));
  }
}

}  // namespace

ImageExport imagefolder(const SampleList& list) {
  for (const auto& metadata : list.metadata) {
    for (const auto& [name, value] : metadata.as_map()) check_name(name);
  }
  const auto mixed = mixed_columns(list.metadata);
  ImageExport exported;
  auto& lines = exported.texts["metadata.jsonl"];
  for (std::size_t i = 0; i < list.index.size(); ++i) {
    const auto condition = static_cast<std::size_t>(list.condition[i]);
    const auto file = fmt::format("{:06}.png", list.index[i]);
    Value line = Value::Map{{"file_name", file}, {"text", list.text.at(condition)}, {"index", list.index[i]}};
    for (const auto& [name, value] : list.metadata.at(condition).as_map()) {
      line[name] = mixed.contains(name) && !value.is_null() ? Value(to_json(value)) : value;
    }
    lines += to_json(line) + "\n";
    exported.samples.push_back({list.index[i], file, list.text[condition]});
  }
  return exported;
}

}  // namespace espalier::exchange
