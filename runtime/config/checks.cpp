#include "runtime/config/checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/base/suggest.h"
#include "runtime/tensor/dtype.h"

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

std::optional<std::string> read_choice(const Node& table, const std::string& key, const std::vector<std::string>& known,
                                       const std::string& place, Problems& problems) {
  auto chosen = read_string(table, key, false, place, problems);
  if (!chosen || std::ranges::find(known, *chosen) != known.end()) return chosen;
  problems.add(table.find(key)->where, fmt::format("{}: '{}' is one of: {}; found '{}'", place, key, fmt::join(known, ", "), *chosen));
  return std::nullopt;
}

std::optional<std::uint64_t> read_seed(const Node& table, const std::string& place, Problems& problems) {
  const Field* field = table.find("seed");
  if (field == nullptr) return std::nullopt;
  const Value& value = field->value.scalar;
  if (field->value.shape == Node::Shape::scalar && value.is_integer() && value.as_integer() >= 0) {
    return static_cast<std::uint64_t>(value.as_integer());
  }
  problems.add(field->where, fmt::format("{}: 'seed' is an integer of at least 0; found {}", place, field->value.found()));
  return std::nullopt;
}

std::optional<at::ScalarType> read_dtype(const Node& table, const std::string& device, const std::string& place, Problems& problems) {
  const auto name = read_choice(table, "dtype", tensor::compute_dtypes(), place, problems);
  if (!name) return std::nullopt;
  const auto dtype = tensor::compute_dtype(*name);
  if (device != "cpu" || tensor::cpu_computes(*dtype)) return dtype;
  problems.add(
      table.find("dtype")->where,
      fmt::format("{}: 'dtype' is {}, which this CPU does not compute in; take bfloat16 or float32: files of {} are read all the same",
                  place, *name, *name));
  return std::nullopt;
}

bool check_word(const std::string& text, const SourceSpan& where, const std::string& what, Problems& problems) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  if (!text.empty() && text.size() <= 100 && text.find_first_not_of(allowed) == std::string::npos) return true;
  problems.add(where, fmt::format("{} has 1 to 100 letters, digits, '-' and '_'; found {}", what, to_json(text)));
  return false;
}

}  // namespace espalier::config
