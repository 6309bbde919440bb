#include "runtime/selection/student.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/selection/incomplete_beta.h"

namespace espalier::intervals {

double student_quantile(std::int64_t degrees_of_freedom) {
  const auto n = static_cast<double>(degrees_of_freedom);
  double low = 0.0, high = 1.0;  // of x = n/(n + t^2), in which the probability rises
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (selection::incomplete_beta(middle, 0.5 * n, 0.5) < 0.05 ? low : high) = middle;
  }
  const double x = 0.5 * (low + high);
  return std::sqrt(n * (1.0 - x) / x);
}

Estimate student_mean(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  const auto count = static_cast<std::int64_t>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (count < 2) return {mean, kNone, kNone, Kind::none, count};
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double half = student_quantile(count - 1) * std::sqrt(squares / (n - 1.0) / n);
  return {mean, mean - half, mean + half, Kind::t, count};
}

}  // namespace espalier::intervals
