#include "plugins/trainer/ddpo/policy_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/maximum.h>

namespace espalier::ddpo {

PolicyLoss policy_loss(const at::Tensor& log_prob, const at::Tensor& old_log_prob, const at::Tensor& advantage, double clip_range) {
  const auto difference = log_prob - old_log_prob;
  const auto ratio = at::exp(difference);
  const auto loss = at::maximum(-advantage * ratio, -advantage * at::clamp(ratio, 1.0 - clip_range, 1.0 + clip_range));
  const auto far = (ratio.detach() - 1.0).abs() > clip_range;
  return {loss, difference.detach().square() * 0.5, far.to(log_prob.scalar_type())};
}

}  // namespace espalier::ddpo
