#include "runtime/sampling/transition.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/diffusion/state_math.h"

namespace espalier::sampling {

State Transition::draw(random::Draws& draws) const {
  State next = mean;
  if (std == 0.0) return next;
  for (auto& [name, value] : next) value = value + diffusion::fresh_noise(value, draws) * std;
  return next;
}

std::optional<at::Tensor> Transition::log_prob(const State& next) const {
  if (std == 0.0) return std::nullopt;
  diffusion::MeanSquare distance;
  for (const auto& [name, value] : mean) distance.add((diffusion::field(next, name, value, "next state") - value) / std);
  return distance.value() * -0.5 - (std::log(std) + 0.5 * std::log(2 * std::numbers::pi));
}

at::Tensor gaussian_kl(const State& q, const State& p, double std) {
  diffusion::MeanSquare distance;
  for (const auto& [name, mean] : p) distance.add((diffusion::field(q, name, mean, "other mean") - mean) / std);
  return distance.value() * 0.5;
}

Transition ddim_transition(const State& x, const State& prediction, const StepEnds& ends, double eta) {
  const auto square = [](double value) { return value * value; };
  const double abar = square(ends.process.level(ends.from.timestep).alpha), previous = square(ends.to.level.alpha);
  const double variance = eta * eta * (1 - previous) / (1 - abar) * (1 - abar / previous);
  const double direction = std::sqrt(std::max(0.0, 1 - previous - variance));
  const auto estimate = ends.process.estimate(x, prediction, ends.from);
  Transition result;
  result.std = std::sqrt(std::max(0.0, variance));
  for (const auto& [name, clean] : estimate.clean) result.mean[name] = clean * ends.to.level.alpha + estimate.noise.at(name) * direction;
  return result;
}

}  // namespace espalier::sampling
