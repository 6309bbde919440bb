#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/value.h"

// Reading typed values with bounds and choices: options of plugins (Schema), scheduler configs and network configs.
namespace espalier {

// What a number may be.
struct Bounds {
  std::optional<double> above = {}, at_least = {}, below = {}, at_most = {};  // >, >=, <, <=
  bool infinite = false;                                                      // whether it may be infinite

  bool hold(const Value& value) const;    // of a list, of every element; true of what is no number (its type is reported elsewhere)
  bool finite(const Value& value) const;  // likewise: whether it is finite where it must be
  std::string text() const;               // as a person reads it: "> 0", "0 to 1"; "" for none
};

std::string joined(const std::vector<std::string>& names);  // "a, b or c"
std::string found_text(const Value& value);                 // "the string \"a\"", cut where it is long

// Each sets the target and returns "", or returns what would be right: "an integer". Bounds are not looked at.
namespace typed {
std::string set_integer(std::int64_t& target, const Value& value);
std::string set_number(double& target, const Value& value);  // an integer too; not NaN
std::string set_flag(bool& target, const Value& value);
std::string set_text(std::string& target, const Value& value);
std::string set_choice(std::string& target, const std::vector<std::string>& choices, const Value& value);
std::string nearest_choice(const std::vector<std::string>& choices, const Value& value);  // "; did you mean 'a'?"; "" where none is near
}  // namespace typed

// A table of a config file. Each function sets its target where the key is there and leaves it (the default) where it is not. Each throws
// DataError naming the origin, the key, what was found and what would be right.
class TypedTable {
 public:
  TypedTable(const Value& table, std::string origin);  // borrows the table; throws DataError for what is none
  void refuse_unknown(const std::string& what, const std::vector<std::string>& known) const;  // `what` has no such key; with the nearest

  void integer(std::string_view key, std::int64_t& target, const Bounds& bounds = {}) const;
  void number(std::string_view key, double& target, const Bounds& bounds = {}) const;
  void flag(std::string_view key, bool& target) const;
  void text(std::string_view key, std::string& target) const;
  void choice(std::string_view key, std::string& target, const std::vector<std::string>& choices) const;
  void integers(std::string_view key, std::vector<std::int64_t>& target, const Bounds& bounds = {}) const;              // at least one
  void choices(std::string_view key, std::vector<std::string>& target, const std::vector<std::string>& choices) const;  // at least one

  bool has(std::string_view key) const { return table_.contains(key); }
  bool is_null(std::string_view key) const;                                        // also where it is not there
  [[noreturn]] void refuse(std::string_view key, const std::string& right) const;  // "<origin>: <key> = 3; it must be <right>"

 private:
  const Value& table_;
  std::string origin_;
};

}  // namespace espalier
