#include "runtime/base/typed_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier {
namespace {

constexpr std::size_t kLongest = 60;  // bytes of a value that a message shows

bool is_infinite(const Value& value) { return value.is_float() && std::isinf(value.as_number()); }

// "an integer from 1 to 8", "a number > 0"
std::string right_number(const std::string& type, const Bounds& bounds) {
  const auto text = bounds.text();
  if (text.empty()) return type;
  return type + (bounds.at_least && bounds.at_most && !bounds.above && !bounds.below ? " from " : " ") + text;
}

}  // namespace

bool Bounds::hold(const Value& value) const {
  if (value.is_list()) {
    return std::all_of(value.as_list().begin(), value.as_list().end(), [this](const Value& element) { return hold(element); });
  }
  if (!value.is_number()) return true;
  const double number = value.as_number();
  return !(above && number <= *above) && !(at_least && number < *at_least) && !(below && number >= *below) &&
         !(at_most && number > *at_most);
}

bool Bounds::finite(const Value& value) const {
  if (infinite) return true;
  if (!value.is_list()) return !is_infinite(value);
  return std::none_of(value.as_list().begin(), value.as_list().end(), is_infinite);
}

std::string Bounds::text() const {
  std::string text;
  const auto add = [&text](const char* relation, const std::optional<double>& bound) {
    if (bound) text += fmt::format("{}{} {}", text.empty() ? "" : " and ", relation, *bound);
  };
  if (at_least && at_most && !above && !below) {
    text = fmt::format("{} to {}", *at_least, *at_most);
  } else {
    add(">", above);
    add(">=", at_least);
    add("<", below);
    add("<=", at_most);
  }
  return infinite ? text + (text.empty() ? "inf too" : ", inf too") : text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) out += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return out;
}

std::string found_text(const Value& value) {
  std::string text = to_json(value);
  if (text.size() > kLongest) text = text.substr(0, kLongest - 3) + "...";
  return std::string("the ") + value.type_name() + " " + text;
}

namespace typed {

std::string set_integer(std::int64_t& target, const Value& value) {
  if (!value.is_integer()) return "an integer";
  target = value.as_integer();
  return "";
}

std::string set_number(double& target, const Value& value) {
  if (!value.is_number() || std::isnan(value.as_number())) return "a number";
  target = value.as_number();
  return "";
}

std::string set_flag(bool& target, const Value& value) {
  if (!value.is_bool()) return "true or false";
  target = value.as_bool();
  return "";
}

std::string set_text(std::string& target, const Value& value) {
  if (!value.is_string()) return "a string";
  target = value.as_string();
  return "";
}

std::string set_choice(std::string& target, const std::vector<std::string>& choices, const Value& value) {
  const auto word = value.is_string() ? value.as_string() : value.is_bool() ? to_json(value) : "";  // `true` may be one of the words
  if (std::find(choices.begin(), choices.end(), word) == choices.end()) return joined(choices);
  target = word;
  return "";
}

std::string nearest_choice(const std::vector<std::string>& choices, const Value& value) {
  const auto near = value.is_string() ? nearest_name(value.as_string(), choices) : "";
  return near.empty() ? "" : "; did you mean '" + near + "'?";
}

}  // namespace typed

TypedTable::TypedTable(const Value& table, std::string origin) : table_(table), origin_(std::move(origin)) {
  if (!table.is_map()) throw DataError(origin_ + ": a config must be a JSON object; found " + found_text(table));
}

void TypedTable::refuse_unknown(const std::string& what, const std::vector<std::string>& known) const {
  for (const auto& [key, value] : table_.as_map()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw DataError(origin_ + ": " + what + " has no key '" + key + "'" + did_you_mean(key, known));
  }
}

bool TypedTable::is_null(std::string_view key) const {
  const auto* value = table_.find(key);
  return value == nullptr || value->is_null();
}

void TypedTable::refuse(std::string_view key, const std::string& right) const {
  const auto* value = table_.find(key);
  const auto start = origin_ + ": " + std::string(key);
  if (value == nullptr) throw DataError(start + " is missing; it must be " + right);
  throw DataError(start + " = " + to_json(*value) + "; it must be " + right);
}

void TypedTable::integer(std::string_view key, std::int64_t& target, const Bounds& bounds) const {
  const auto* value = table_.find(key);
  if (value == nullptr) return;
  std::int64_t read = 0;
  if (const auto right = typed::set_integer(read, *value); !right.empty() || !bounds.hold(*value)) {
    refuse(key, right_number("an integer", bounds));
  }
  target = read;
}

void TypedTable::number(std::string_view key, double& target, const Bounds& bounds) const {
  const auto* value = table_.find(key);
  if (value == nullptr) return;
  double read = 0.0;
  if (const auto right = typed::set_number(read, *value); !right.empty() || !bounds.hold(*value) || !bounds.finite(*value)) {
    refuse(key, right_number(bounds.infinite ? "a number" : "a finite number", bounds));
  }
  target = read;
}

void TypedTable::flag(std::string_view key, bool& target) const {
  const auto* value = table_.find(key);
  if (value == nullptr) return;
  if (const auto right = typed::set_flag(target, *value); !right.empty()) refuse(key, right);
}

void TypedTable::text(std::string_view key, std::string& target) const {
  const auto* value = table_.find(key);
  if (value == nullptr) return;
  if (const auto right = typed::set_text(target, *value); !right.empty()) refuse(key, right);
}

void TypedTable::choice(std::string_view key, std::string& target, const std::vector<std::string>& choices) const {
  const auto* value = table_.find(key);
  if (value == nullptr) return;
  if (const auto right = typed::set_choice(target, choices, *value); !right.empty())
    refuse(key, right + typed::nearest_choice(choices, *value));
}

void TypedTable::integers(std::string_view key, std::vector<std::int64_t>& target, const Bounds& bounds) const {
  const auto* value = table_.find(key);
  if (value == nullptr) return;
  std::vector<std::int64_t> read;
  const bool list = value->is_list() && !value->as_list().empty() && bounds.hold(*value);
  for (const auto& element : list ? value->as_list() : Value::List{}) {
    if (element.is_integer()) read.push_back(element.as_integer());
  }
  if (!list || read.size() != value->as_list().size()) {
    const auto text = bounds.text();
    refuse(key, "a list of integers" + (text.empty() ? "" : ", each " + text));
  }
  target = std::move(read);
}

void TypedTable::choices(std::string_view key, std::vector<std::string>& target, const std::vector<std::string>& choices) const {
  const auto* value = table_.find(key);
  if (value == nullptr) return;
  std::vector<std::string> read;
  for (const auto& element : value->is_list() ? value->as_list() : Value::List{}) {
    const auto right = typed::set_choice(read.emplace_back(), choices, element);
    if (!right.empty()) refuse(key, "a list, each " + right + typed::nearest_choice(choices, element));
  }
  if (read.empty()) refuse(key, "a list, each " + joined(choices));
  target = std::move(read);
}

}  // namespace espalier
