#include "runtime/selection/selection.h"

#include <cmath>

namespace espalier {

std::vector<double> Law::reshaped_reward() const {
  std::vector<double> result;
  for (const double w : density) result.push_back(std::log(acceptance_rate * w));
  return result;
}

}  // namespace espalier
