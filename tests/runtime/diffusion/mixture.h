#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace espalier::diffusion {

// A mixture of Gaussians on the line, whose noised versions and tilts by exp(-(x - centre)^2 / (2 width^2)) are mixtures again.
struct Mixture {
  std::vector<double> weight;  // sum 1
  std::vector<double> mean;
  std::vector<double> variance;

  at::Tensor density(const at::Tensor& x) const;                                      // of [n], double
  Mixture noised(double alpha_bar) const;                                             // the law of x_t
  Mixture tilted(double centre, double width) const;                                  // proportional to this times the tilt
  double acceptance(double centre, double width) const;                               // E[tilt]
  at::Tensor clean_mean(const at::Tensor& noisy, const at::Tensor& alpha_bar) const;  // E[x_0 | x_t], alpha_bar [B] or [1]
};

// Unnormalised p(x_0) E[ratio(X_t) | X_0 = x_0] with X_t ~ N(sqrt(abar) x_0, 1 - abar) and ratio = tuned_t / base_t: the stitched
// law.
at::Tensor stitched_density(const Mixture& base, const Mixture& tuned, double alpha_bar, const at::Tensor& x);

}  // namespace espalier::diffusion
