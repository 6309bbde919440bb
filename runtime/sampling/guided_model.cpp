#include "runtime/sampling/guided_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <numeric>

#include "runtime/base/errors.h"

namespace espalier::sampling {
namespace {

// Both halves of a guided batch: the null condition first.
TensorMap both_halves(const TensorMap& empty, const TensorMap& given) {
  TensorMap out;
  for (const auto& [name, tensor] : given) {
    const auto other = empty.find(name);
    if (other == empty.end()) throw InternalError("the null condition has no tensor '" + name + "', which the condition has");
    auto sizes = tensor.sizes().vec();
    out[name] = at::cat({other->second.expand(sizes), tensor});
  }
  return out;
}

at::Tensor deviation(const at::Tensor& rows) {
  auto rest = std::vector<std::int64_t>(static_cast<std::size_t>(rows.dim() - 1));
  std::iota(rest.begin(), rest.end(), 1);
  return rows.std(rest, /*unbiased=*/true, /*keepdim=*/true);
}

at::Tensor rescaled(const at::Tensor& guided, const at::Tensor& cond, double share) {
  if (share == 0.0) return guided;
  return share * (guided * (deviation(cond) / deviation(guided))) + (1.0 - share) * guided;
}

}  // namespace

GuidedModel::GuidedModel(const SegmentModel& segment, const Guidance& guidance)
    : model_(*segment.model), embedded_(segment.embedded), scale_(guidance.scale), rescale_(guidance.rescale) {
  if (!model_.network) throw InternalError("a model of role '" + model_.info.role + "' has no network to sample with");
  if (scale_ == 1.0) return;
  if (segment.condition.empty()) {
    throw ConfigError(fmt::format("guidance_scale = {} needs conditions, and the domain has none; set guidance_scale = 1", scale_));
  }
  embedded_ = both_halves(segment.null_embedded, segment.embedded);
}

State GuidedModel::predict(const State& noisy, double timestep) const {
  const auto& any = noisy.begin()->second;
  const bool guided = scale_ != 1.0;
  const auto batch = any.size(0);
  const auto times = at::full({guided ? 2 * batch : batch}, timestep, any.options().dtype(at::kFloat));
  if (!guided) return model_.network->predict(model_.weights, noisy, times, embedded_);
  State doubled;
  for (const auto& [name, tensor] : noisy) doubled[name] = at::cat({tensor, tensor});
  State out;
  for (const auto& [name, both] : model_.network->predict(model_.weights, doubled, times, embedded_)) {
    const auto uncond = both.narrow(0, 0, batch), cond = both.narrow(0, batch, batch);
    out[name] = rescaled(uncond + scale_ * (cond - uncond), cond, rescale_);
  }
  return out;
}

}  // namespace espalier::sampling
