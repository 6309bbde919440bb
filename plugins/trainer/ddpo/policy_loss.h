#pragma once

#include <ATen/core/Tensor.h>

namespace espalier::ddpo {

// The clipped loss of a step of some trajectories (Black et al. 2023, arXiv 2305.13301, equation 5; Schulman et al. 2017, arXiv
// 1707.06347).
struct PolicyLoss {
  at::Tensor loss;       // [B], max(-A rho, -A clip(rho, 1 - c, 1 + c)), rho = exp(log_prob - old_log_prob)
  at::Tensor approx_kl;  // [B], (log_prob - old_log_prob)^2 / 2, without gradient
  at::Tensor clipped;    // [B], 1 where |rho - 1| > c, else 0, without gradient
};

// `log_prob` has gradients; the others [B] are constants. `clip_range` is c.
PolicyLoss policy_loss(const at::Tensor& log_prob, const at::Tensor& old_log_prob, const at::Tensor& advantage, double clip_range);

}  // namespace espalier::ddpo
