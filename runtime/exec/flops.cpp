#include "runtime/exec/flops.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "runtime/network/flops.h"
#include "runtime/plan/trajectory_source.h"
#include "runtime/sdk/encoding.h"
#include "runtime/tensor/spec.h"

namespace espalier::exec {
namespace {

// FLOPs for one sample: one pass of the network, and the embedding of its condition.
struct PassFlops {
  double predict = 0;
  double embed = 0;
};

PassFlops pass_flops(const Context& context, const StateSpec& spec, const Model& model, const Conditions& condition) {
  const at::NoGradGuard no_grad;
  const auto state = tensor::zeros(spec, 1, context.device);
  TensorMap raw;
  for (const auto& [name, tensor] : encode_conditions(condition, model).tensors) raw.emplace(name, tensor.to(context.device));
  const auto timestep = at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(context.device));
  PassFlops flops;
  TensorMap embedded;
  flops.embed = network::count_flops([&] { embedded = model.network->embed(model.weights, raw); });
  flops.predict = network::count_flops([&] { model.network->predict(model.weights, state, timestep, embedded); });
  return flops;
}

}  // namespace

double flops_per_sample(Context& context, const config::StageSpec& stage) {
  const auto source = plan::trajectory_source(stage);
  if (source->direction() == Direction::to_noise) return 0.0;
  std::map<Hex, std::string> tags;
  for (const auto& input : stage.inputs) {
    for (const auto& tag : input.tags) tags.emplace(model_identity(context.results.at(tag).model), tag);
  }
  const auto condition = context.spec.conditions(stage).rows({0});
  const auto spec = context.results.at(stage.tag).codec->spec();
  double flops = 0.0;
  for (const auto& phase : context.plans.at(stage.tag).phases) {
    for (const auto& segment : phase.segments) {
      const auto pass = pass_flops(context, spec, *context.model(tags.at(model_identity(segment.model))), condition);
      flops += pass.embed + pass.predict * static_cast<double>(source->network_evaluations(phase, segment));
    }
  }
  return flops;
}

}  // namespace espalier::exec
