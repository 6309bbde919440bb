#include "plugins/metric/noise_diagnostics/shrunk_covariance.h"

#include <ATen/TensorOperators.h>

#include <algorithm>

namespace espalier::noise_diagnostics {

at::Tensor shrunk_covariance(const at::Tensor& rows) {
  const auto n = static_cast<double>(rows.size(0));
  auto covariance = rows.t().mm(rows) / n;
  auto diagonal = covariance.diagonal();
  const double mean = diagonal.mean().item<double>(), squares = covariance.square().sum().item<double>();
  // Squared distances, times D: of S to m I, and of S to the true covariance as expected by chance alone.
  const double spread = squares - mean * mean * static_cast<double>(rows.size(1));
  const double chance = (rows.square().sum(1).square().sum().item<double>() / n - squares) / n;
  const double share = spread > 0.0 ? std::clamp(chance / spread, 0.0, 1.0) : 0.0;
  covariance *= 1.0 - share;
  diagonal += share * mean;
  return covariance;
}

}  // namespace espalier::noise_diagnostics
