#include "tests/runtime/diffusion/mixture.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <numbers>

#include "tests/runtime/diffusion/support.h"

namespace espalier::diffusion {
namespace {

double normal(double x, double variance) { return std::exp(-0.5 * x * x / variance) / std::sqrt(2 * std::numbers::pi * variance); }

}  // namespace

at::Tensor Mixture::density(const at::Tensor& x) const {
  auto total = at::zeros_like(x);
  for (std::size_t j = 0; j < weight.size(); ++j) {
    total += ((x - mean[j]).square() * (-0.5 / variance[j])).exp() * (weight[j] / std::sqrt(2 * std::numbers::pi * variance[j]));
  }
  return total;
}

Mixture Mixture::noised(double alpha_bar) const {
  Mixture result = *this;
  for (std::size_t j = 0; j < weight.size(); ++j) {
    result.mean[j] *= std::sqrt(alpha_bar);
    result.variance[j] = alpha_bar * variance[j] + 1 - alpha_bar;
  }
  return result;
}

double Mixture::acceptance(double centre, double width) const {
  double total = 0.0;
  for (std::size_t j = 0; j < weight.size(); ++j) {
    total += weight[j] * normal(mean[j] - centre, variance[j] + width * width) / normal(0.0, width * width);
  }
  return total;
}

Mixture Mixture::tilted(double centre, double width) const {
  Mixture result = *this;
  double total = 0.0;
  for (std::size_t j = 0; j < weight.size(); ++j) {
    const double sum = variance[j] + width * width;
    result.weight[j] = weight[j] * normal(mean[j] - centre, sum);
    result.mean[j] = (mean[j] * width * width + centre * variance[j]) / sum;
    result.variance[j] = variance[j] * width * width / sum;
    total += result.weight[j];
  }
  for (auto& w : result.weight) {
    w /= total;
  }
  return result;
}

at::Tensor Mixture::clean_mean(const at::Tensor& noisy, const at::Tensor& alpha_bar) const {
  const auto alpha = alpha_bar.sqrt();
  at::Tensor total;
  at::Tensor weighted;
  for (std::size_t j = 0; j < weight.size(); ++j) {
    const auto spread = alpha_bar * variance[j] + (1 - alpha_bar);
    const auto offset = noisy - alpha * mean[j];
    // The smallest exponent of doubles is far away: noisy states here lie within 8 standard deviations of every component.
    const auto posterior = (offset.square() * (-0.5 / spread)).exp_().mul_(weight[j] / spread.sqrt());
    const auto clean = offset * (alpha * variance[j] / spread) + mean[j];
    total = j == 0 ? posterior : total + posterior;
    weighted = j == 0 ? posterior * clean : weighted + posterior * clean;
  }
  return weighted / total;
}

at::Tensor stitched_density(const Mixture& base, const Mixture& tuned, double alpha_bar, const at::Tensor& x) {
  const auto z = at::linspace(-8.0, 8.0, 401, at::kDouble);
  const auto weight = (z.square() * -0.5).exp();
  const auto at_t = x.unsqueeze(1) * std::sqrt(alpha_bar) + z * std::sqrt(1 - alpha_bar);  // [n, 401]
  const auto ratio = tuned.noised(alpha_bar).density(at_t) / base.noised(alpha_bar).density(at_t);
  return base.density(x) * (ratio * weight).sum(1) / weight.sum();
}

}  // namespace espalier::diffusion
