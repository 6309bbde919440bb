#include "runtime/selection/quantile.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace espalier::selection {

double quantile(const std::vector<double>& ascending, double q) {
  if (ascending.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double place = q * static_cast<double>(ascending.size() - 1);
  const auto left = std::min(ascending.size() - 1, static_cast<std::size_t>(place));
  const auto right = std::min(ascending.size() - 1, left + 1);
  return ascending[left] + (place - static_cast<double>(left)) * (ascending[right] - ascending[left]);
}

}  // namespace espalier::selection
