#pragma once

#include "runtime/sdk/metric.h"

namespace espalier::noise_diagnostics {

// The rectified-flow training loss, E || prediction - (eps - z) ||^2 / D over t uniform in (0, 1), on the judged noises of what was
// inverted: of a corrector's flow, and of Gaussian models fitted to the others. Lower is better.

// The mean loss of the flow `model`, over `repeats` times and noises for each of states [n, ...] with raw conditions [n, ...];
// "corrector_loss" with a 95 % interval over states.
Scalar corrector_loss(const Model& model, const State& states, const TensorMap& condition, std::int64_t repeats,
                      const random::StreamKey& key, at::Device device);

// The same loss of the best Gaussian model of noises, in closed form. A model N(m, C) predicts linearly; along an eigenvector of C with
// eigenvalue l, on data with mean square distance q from m, the loss is
//   integral over t of ((1-t)^2 q + t^2 l^2) / ((1-t)^2 + t^2 l)^2 = pi/4 (q/sqrt(l) + sqrt(l)),
// which is pi/2 for N(0, I) on itself. Gives the smallest on `judged` [k, D] of three: N(0, I); independent dimensions with the means and
// variances of `fitted` [n, D]; and the mean and shrunk covariance of `fitted` (shrunk_covariance.h).
Scalar gaussian_loss(const at::Tensor& fitted, const at::Tensor& judged);

}  // namespace espalier::noise_diagnostics
