#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "runtime/base/value.h"

namespace espalier {

// A step of a schedule of N: n means n steps remain (N is noise, 0 the sample). An integer is an index, a float in [0, 1] a fraction f
// with n = round(f N). 1 and 1.0 differ and keep their type in keys.
class Step {
 public:
  Step() = default;  // the sample
  explicit Step(std::int64_t index) : value_(index) {}
  explicit Step(double fraction) : value_(fraction) {}

  std::int64_t of(std::int64_t num_steps) const;  // throws ConfigError when outside 0..N
  bool is_index() const { return std::holds_alternative<std::int64_t>(value_); }
  Value to_value() const;
  static Step from_value(const Value& value);  // throws ConfigError
  std::string to_string() const;
  bool operator==(const Step&) const = default;

 private:
  std::variant<std::int64_t, double> value_ = std::int64_t{0};
};

}  // namespace espalier
