#pragma once

#include <ATen/core/Tensor.h>

#include "runtime/selection/intervals.h"

namespace espalier::frechet_distance {

// The squared Frechet (2-Wasserstein) distance of the two Gaussians with the features' means and covariances (ddof 1):
//   |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2))                          (Heusel et al., 2017, arXiv 1706.08500)
// x [N, d], y [M, d], double, on the CPU, more rows than d each. Symmetric; at least 0 but for rounding.
double frechet_distance(const at::Tensor& x, const at::Tensor& y);

// The squared maximum mean discrepancy under k(a, b) = (a.b / d + 1)^3, the unbiased estimate, which may be negative:
//   mean of k(x_i, x_j), i != j  +  mean of k(y_i, y_j), i != j  -  2 mean of k(x_i, y_j)      (Binkowski et al., 2018, arXiv 1801.01401)
// x [N, d], y [M, d], double, at least two rows each.
double kernel_distance(const at::Tensor& x, const at::Tensor& y);

inline constexpr std::int64_t kSubsets = 10;
inline constexpr std::int64_t kLeastRows = 4;

// x and y are cut into disjoint runs of rows, kSubsets of them or as many as leave two rows each; the value is the mean of the n runs'
// kernel_distance, which are independent where rows are, and the interval Student's, mean +- t(n - 1) s / sqrt(n), s their spread. At least
// kLeastRows rows each.
intervals::Estimate kernel_distance_in_subsets(const at::Tensor& x, const at::Tensor& y);

}  // namespace espalier::frechet_distance
