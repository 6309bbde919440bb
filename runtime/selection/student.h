#pragma once

#include <cstdint>
#include <span>

#include "runtime/selection/intervals.h"

namespace espalier::intervals {

// The 0.975 quantile of Student's law with this many degrees of freedom, at least 1, to about 1e-9: the t with P(|T| > t) = 0.05, where
// P(|T| > t) = I_x(n/2, 1/2), x = n/(n + t^2) (DLMF 8.17).
double student_quantile(std::int64_t degrees_of_freedom);

// The mean of n independent values of a normal law with Student's interval, mean +- t(n - 1) s / sqrt(n), s their spread (ddof 1). Without
// an interval (kind none, NaN bounds) below two values.
Estimate student_mean(std::span<const double> values);

}  // namespace espalier::intervals
