#include "runtime/base/value.h"

#include <limits>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

[[noreturn]] void wrong_type(const char* wanted, const Value& found) {
  std::string text = to_json(found);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  throw DataError(std::string("expected a value of type ") + wanted + ", found " + found.type_name() + " " + text);
}

}  // namespace

Value::Value(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw InternalError("the integer " + std::to_string(value) + " does not fit a value; integers are at most 2^63 - 1");
  }
  data_ = static_cast<std::int64_t>(value);
}

const char* Value::type_name() const {
  static constexpr const char* kNames[] = {"bool", "integer", "float", "string", "list", "table", "null"};
  return kNames[data_.index()];
}

bool Value::as_bool() const {
  if (const auto* value = std::get_if<bool>(&data_)) return *value;
  wrong_type("bool", *this);
}

std::int64_t Value::as_integer() const {
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return *value;
  wrong_type("integer", *this);
}

double Value::as_number() const {
  if (const auto* value = std::get_if<double>(&data_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*value);
  if (const auto* text = std::get_if<std::string>(&data_)) {
    if (*text == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (*text == "inf") return std::numeric_limits<double>::infinity();
    if (*text == "-inf") return -std::numeric_limits<double>::infinity();
  }
  wrong_type("number", *this);
}

const std::string& Value::as_string() const {
  if (const auto* value = std::get_if<std::string>(&data_)) return *value;
  wrong_type("string", *this);
}

const Value::List& Value::as_list() const {
  if (const auto* value = std::get_if<List>(&data_)) return *value;
  wrong_type("list", *this);
}

const Value::Map& Value::as_map() const {
  if (const auto* value = std::get_if<Map>(&data_)) return *value;
  wrong_type("table", *this);
}

const Value& Value::at(std::string_view key) const {
  if (const auto* found = find(key)) return *found;
  std::string known;
  for (const auto& [name, value] : as_map()) known += (known.empty() ? "" : ", ") + name;
  throw DataError("the key '" + std::string(key) + "' is missing; present: " + (known.empty() ? "none" : known));
}

Value& Value::operator[](const std::string& key) {
  if (!is_map()) wrong_type("table", *this);
  return std::get<Map>(data_)[key];
}

const Value* Value::find(std::string_view key) const {
  const auto& map = as_map();
  const auto found = map.find(std::string(key));
  return found == map.end() ? nullptr : &found->second;
}

void Value::push_back(Value element) {
  if (!is_list()) wrong_type("list", *this);
  std::get<List>(data_).push_back(std::move(element));
}

}  // namespace espalier
