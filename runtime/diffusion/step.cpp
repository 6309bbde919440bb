#include "runtime/diffusion/step.h"

#include <cmath>

#include "runtime/base/errors.h"

namespace espalier {

std::int64_t Step::of(std::int64_t num_steps) const {
  if (const auto* index = std::get_if<std::int64_t>(&value_)) {
    if (*index < 0 || *index > num_steps) {
      throw ConfigError("step " + to_string() + " is outside 0 to " + std::to_string(num_steps) + ", the schedule's steps");
    }
    return *index;
  }
  const double fraction = std::get<double>(value_);
  if (!(fraction >= 0.0 && fraction <= 1.0)) {
    throw ConfigError("step " + to_string() + " is no fraction: a float is from 0.0 to 1.0, an integer an index from 0 to " +
                      std::to_string(num_steps));
  }
  return std::llround(fraction * static_cast<double>(num_steps));
}

Value Step::to_value() const {
  if (const auto* index = std::get_if<std::int64_t>(&value_)) return Value(*index);
  return Value(std::get<double>(value_));
}

Step Step::from_value(const Value& value) {
  if (value.is_integer()) {
    if (value.as_integer() < 0) throw ConfigError("step " + to_json(value) + " is negative; an index counts the steps that remain, from 0");
    return Step(value.as_integer());
  }
  if (value.is_float()) {
    if (!(value.as_number() >= 0.0 && value.as_number() <= 1.0)) {
      throw ConfigError("step " + to_json(value) + " is no fraction: a float is from 0.0 to 1.0 (an index is an integer)");
    }
    return Step(value.as_number());
  }
  throw ConfigError(std::string("a step is an integer (an index) or a float from 0.0 to 1.0 (a fraction), not a ") + value.type_name());
}

std::string Step::to_string() const { return to_json(to_value()); }

}  // namespace espalier
