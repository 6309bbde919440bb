#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "plugins/shared/frechet/distances.h"

namespace espalier::frechet_distance {

// A jackknife of frechet_distance: the distance, and the distances without each of kJackknifeGroups disjoint runs of rows, run i of x and
// run i of y left out together. Rows that belong together (samples of one condition) should be neighbours.
inline constexpr std::int64_t kJackknifeGroups = 20;
struct Jackknife {
  double value = 0.0;
  std::vector<double> without;  // [kJackknifeGroups]
};

// Whether n rows are enough for d features: more than d must be left.
bool enough_for_jackknife(std::int64_t rows, std::int64_t features);

// x [N, d], y [M, d], double, on the CPU, enough_for_jackknife(N, d) and (M, d).
Jackknife jackknife(const at::Tensor& x, const at::Tensor& y);

// The distance's bias upwards, to first order in 1/N and 1/M:  (G - 1) (mean of without - value)        (Quenouille; Efron 1982, section 2)
double bias(const Jackknife& jackknife);

// value - bias with its 95 % interval:  +- t(G - 1) sqrt((G - 1)/G sum of (without - their mean)^2).
// In simulated studies (jackknife_test.cpp; Gaussian features, N = 1,024, M = 214, d = 64) it held the true distance in 90 to 95 %.
intervals::Estimate corrected(const Jackknife& jackknife);

// The same of a's distance less b's, both to the same y: what they share of y's chance cancels.
intervals::Estimate difference(const Jackknife& a, const Jackknife& b);

}  // namespace espalier::frechet_distance
