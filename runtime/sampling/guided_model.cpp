#include "runtime/sampling/guided_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

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

}  // namespace

GuidedModel::GuidedModel(const SegmentModel& segment, double guidance_scale)
    : model_(*segment.model), embedded_(segment.embedded), guidance_scale_(guidance_scale) {
  if (!model_.network) throw InternalError("a model of role '" + model_.info.role + "' has no network to sample with");
  if (guidance_scale_ == 1.0) return;
  if (segment.condition.empty()) {
    throw ConfigError(fmt::format("guidance_scale = {} needs conditions, and the domain has none; set guidance_scale = 1", guidance_scale));
  }
  embedded_ = both_halves(segment.null_embedded, segment.embedded);
}

State GuidedModel::predict(const State& noisy, double timestep) const {
  const auto& any = noisy.begin()->second;
  const bool guided = guidance_scale_ != 1.0;
  const auto batch = any.size(0);
  const auto times = at::full({guided ? 2 * batch : batch}, timestep, any.options().dtype(at::kFloat));
  if (!guided) return model_.network->predict(model_.weights, noisy, times, embedded_);
  State doubled;
  for (const auto& [name, tensor] : noisy) doubled[name] = at::cat({tensor, tensor});
  State out;
  for (const auto& [name, both] : model_.network->predict(model_.weights, doubled, times, embedded_)) {
    const auto uncond = both.narrow(0, 0, batch), cond = both.narrow(0, batch, batch);
    out[name] = uncond + guidance_scale_ * (cond - uncond);
  }
  return out;
}

}  // namespace espalier::sampling
