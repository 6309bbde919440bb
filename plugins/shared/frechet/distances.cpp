#include "plugins/shared/frechet/distances.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/selection/student.h"

namespace espalier::frechet_distance {
namespace {

// R with R^T R = the covariance: the features are never squared, so that a covariance near singular costs no digits.
at::Tensor covariance_root(const at::Tensor& features, const at::Tensor& mean) {
  const auto centred = (features - mean) / std::sqrt(static_cast<double>(features.size(0) - 1));
  return std::get<1>(at::linalg_qr(centred, "r"));  // [d, d]
}

at::Tensor kernel(const at::Tensor& x, const at::Tensor& y) {
  return (at::matmul(x, y.t()) / static_cast<double>(x.size(1)) + 1.0).pow_(3);  // [N, M]
}

double mean_off_diagonal(const at::Tensor& square) {
  const auto n = static_cast<double>(square.size(0));
  return (square.sum() - square.trace()).item<double>() / (n * (n - 1.0));
}

at::Tensor run_of(const at::Tensor& rows, std::int64_t which, std::int64_t runs) {
  return rows.slice(0, which * rows.size(0) / runs, (which + 1) * rows.size(0) / runs);
}

}  // namespace

double frechet_distance(const at::Tensor& x, const at::Tensor& y) {
  const auto mean_x = x.mean(0, /*keepdim=*/true), mean_y = y.mean(0, /*keepdim=*/true);
  const auto root_x = covariance_root(x, mean_x), root_y = covariance_root(y, mean_y);
  // S1 S2 = R1^T R1 R2^T R2 has the eigenvalues of (R1 R2^T)^T (R1 R2^T): the roots of those are its singular values.
  const auto root_trace = at::linalg_svdvals(at::matmul(root_x, root_y.t())).sum();
  return ((mean_x - mean_y).square().sum() + root_x.square().sum() + root_y.square().sum() - 2.0 * root_trace).item<double>();
}

double kernel_distance(const at::Tensor& x, const at::Tensor& y) {
  return mean_off_diagonal(kernel(x, x)) + mean_off_diagonal(kernel(y, y)) - 2.0 * kernel(x, y).mean().item<double>();
}

intervals::Estimate kernel_distance_in_subsets(const at::Tensor& x, const at::Tensor& y) {
  const auto count = std::min({kSubsets, x.size(0) / 2, y.size(0) / 2});
  std::vector<double> runs;
  for (std::int64_t i = 0; i < count; ++i) runs.push_back(kernel_distance(run_of(x, i, count), run_of(y, i, count)));
  return intervals::student_mean(runs);
}

}  // namespace espalier::frechet_distance
