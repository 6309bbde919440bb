#include "runtime/config/checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/suggest.h"

namespace espalier::config {

TypeName::TypeName(const std::string& text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string::npos) return;
  kind = text.substr(0, dot);
  name = text.substr(dot + 1);
}

void check_keys(const Node& table, const std::vector<std::string>& known, const std::string& place, Problems& problems) {
  for (const Field& field : table.fields) {
    if (std::find(known.begin(), known.end(), field.key) != known.end()) continue;
    problems.add(field.where, fmt::format("{}: unknown key '{}'{}", place, field.key, did_you_mean(field.key, known)));
  }
}

std::optional<std::string> read_string(const Node& table, const std::string& key, bool required, const std::string& place,
                                       Problems& problems) {
  const Field* field = table.find(key);
  if (field == nullptr) {
    if (required) problems.add(table.where, fmt::format("{}: '{}' is missing", place, key));
    return std::nullopt;
  }
  if (!field->value.is_string()) {
    problems.add(field->where, fmt::format("{}: '{}' is a string; found {}", place, key, field->value.found()));
    return std::nullopt;
  }
  return field->value.scalar.as_string();
}

bool check_word(const std::string& text, const SourceSpan& where, const std::string& what, Problems& problems) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  if (!text.empty() && text.size() <= 100 && text.find_first_not_of(allowed) == std::string::npos) return true;
  problems.add(where, fmt::format("{} has 1 to 100 letters, digits, '-' and '_'; found {}", what, to_json(text)));
  return false;
}

}  // namespace espalier::config
