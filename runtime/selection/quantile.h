#pragma once

#include <vector>

namespace espalier::selection {

// The q-quantile, q in [0, 1], of values in ascending order, linear between order statistics as numpy.quantile; NaN of none.
double quantile(const std::vector<double>& ascending, double q);

}  // namespace espalier::selection
