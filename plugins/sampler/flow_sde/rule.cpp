#include "plugins/sampler/flow_sde/rule.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

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

}  // namespace espalier::flow_sde
