#include "plugins/trainer/ddpo/trained_steps.h"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::ddpo {
namespace {

bool same_function(const ModelInfo& one, const ModelInfo& other) { return one.function() == other.function(); }

State zeros(const StateSpec& spec) {
  State state;
  for (const auto& [name, field] : spec) {
    auto shape = field.shape;
    shape.insert(shape.begin(), 1);
    state.emplace(name, at::zeros(shape, field.dtype));
  }
  return state;
}

}  // namespace

void check_on_policy(const std::string& who, const ModelInfo& start, const std::vector<ModelInfo>& sampled_with) {
  if (std::ranges::any_of(sampled_with, [&](const auto& model) { return same_function(model, start); })) return;
  throw ConfigError(fmt::format(
      "{}: the trajectories were not sampled with the model that training starts from ({}), and a policy gradient is of the policy that "
      "sampled; name this model in the sampler's inputs, or the sampler's model in those of this stage",
      who, start.digest.substr(0, 12)));
}

std::vector<TrainedStep> trained_steps(const std::string& who, const SamplingInfo& sampling, const Model& model, const StateSpec& spec) {
  if (sampling.solver == nullptr) throw InternalError(who + ": the solver of the sampled steps is missing");
  const auto& phase = sampling.phase;
  std::vector<ModelInfo> sampled_with;
  for (const auto& segment : phase.segments) sampled_with.push_back(segment.model);
  check_on_policy(who, model.info, sampled_with);
  const auto any = zeros(spec);  // whether a step has a density follows from its ends
  std::vector<TrainedStep> steps;
  for (const auto& segment : phase.segments) {
    if (!same_function(segment.model, model.info)) continue;
    for (auto n = segment.first; n > segment.last; --n) {
      const StepEnds ends{*model.process, phase.grid.at(n), phase.grid.at(n - 1)};
      if (sampling.solver->log_prob(any, any, any, ends)) steps.push_back({n, segment.guidance});
    }
  }
  if (!steps.empty()) return steps;
  throw ConfigError(
      fmt::format("{}: no step of the model has a density: of {} steps the last adds no noise; take more steps "
                  "(num_inference_steps)",
                  who, phase.grid.num_steps()));
}

}  // namespace espalier::ddpo
