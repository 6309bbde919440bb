#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace espalier {

// A typed tree: options, recipes, manifests and findings are Values. An integer and a float of equal size differ (a step 1 is not the
// fraction 1.0), and keep their type through JSON and in digests.
class Value {
 public:
  using List = std::vector<Value>;
  using Map = std::map<std::string, Value>;

  Value() : data_(Map{}) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(std::int64_t value) : data_(value) {}
  Value(std::uint64_t value);  // throws InternalError above 2^63 - 1
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(List value) : data_(std::move(value)) {}
  Value(Map value) : data_(std::move(value)) {}
  Value(std::nullptr_t) : data_(nullptr) {}  // JSON's null, which diffusers' config.json needs; TOML has none

  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_integer() || is_float(); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_list() const { return std::holds_alternative<List>(data_); }
  bool is_map() const { return std::holds_alternative<Map>(data_); }
  bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }
  const char* type_name() const;  // "bool", "integer", "float", "string", "list", "table" or "null"

  // Each throws DataError naming both types when the value is another.
  bool as_bool() const;
  std::int64_t as_integer() const;
  double as_number() const;  // integer, float, or "nan", "inf", "-inf" as JSON spells them
  const std::string& as_string() const;
  const List& as_list() const;
  const Map& as_map() const;

  // Of a table. at() throws DataError when the key is missing; operator[] makes it; find() gives nullptr.
  const Value& at(std::string_view key) const;
  Value& operator[](const std::string& key);
  const Value* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  void push_back(Value element);  // of a list

  bool operator==(const Value& other) const = default;

 private:
  std::variant<bool, std::int64_t, double, std::string, List, Map, std::nullptr_t> data_;
};

// JSON text with sorted keys; floats always carry a point or an exponent, and NaN and infinities are the strings "nan", "inf", "-inf".
std::string to_json(const Value& value, int indent = -1);
Value parse_json(std::string_view text, const std::string& origin);  // throws DataError naming origin; limits depth to 64

// The canonical bytes that digests are taken of: type tag, length, content; names sorted. Injective: two values give equal bytes
// iff they are equal (NaNs are one value, -0.0 differs from 0.0).
std::string canonical_bytes(const Value& value);

// A difference between two trees: the dotted path of a field, and its JSON on either side ("" where it is absent).
struct Difference {
  std::string path;
  std::string before;
  std::string after;
};
std::vector<Difference> differences(const Value& before, const Value& after);

}  // namespace espalier
