#include "plugins/sampler/flow_sde/rule.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "runtime/diffusion/state_math.h"

namespace espalier::flow_sde {

sampling::Transition transition(const State& x, const State& prediction, const StepEnds& ends, double eta) {
  const double t = ends.from.level.alpha, next = ends.to.level.alpha;
  const double kept = t * (1.0 - next) / (next * (1.0 - t));  // of the state's noise, in units of the next state's
  const double variance = eta * eta * (1.0 - next) * (1.0 - next) * std::max(0.0, 1.0 - kept * kept);
  const double direction = std::sqrt(std::max(0.0, (1.0 - next) * (1.0 - next) - variance));
  const auto estimate = ends.process.estimate(x, prediction, ends.from);
  sampling::Transition result;
  result.std = std::sqrt(variance);
  for (const auto& [name, clean] : estimate.clean) result.mean[name] = clean * next + estimate.noise.at(name) * direction;
  return result;
}

sampling::Transition flow_grpo_transition(const State& x, const State& prediction, const StepEnds& ends, double noise_level) {
  const double sigma = ends.from.level.sigma, next = ends.to.level.sigma, dt = sigma - next;
  const double clean = sigma == 1.0 ? 1.0 - next : 1.0 - sigma;
  const double variance = noise_level * noise_level * sigma / clean;  // s^2, of a unit of time
  sampling::Transition result;
  result.std = std::sqrt(variance * dt);
  for (const auto& [name, value] : x) {
    const auto& output = diffusion::field(prediction, name, value, "prediction");
    result.mean[name] = value * (1.0 - variance * dt / (2.0 * sigma)) - output * (dt * (1.0 + variance * (1.0 - sigma) / (2.0 * sigma)));
  }
  return result;
}

}  // namespace espalier::flow_sde
