#include "runtime/diffusion/rectified_flow.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/diffusion/state_math.h"

namespace espalier::diffusion {
namespace {

void check_level(const Level& level) {
  if (std::abs(level.alpha + level.sigma - 1.0) <= 1e-6) return;
  throw StageError(
      fmt::format("a state at alpha = {}, sigma = {} does not come from a rectified flow (alpha + sigma = 1)", level.alpha, level.sigma));
}

// The time below which noising to a noisier level takes place.
double bound_of(const TrainingBatch& batch) {
  for (const Level& level : {batch.reached, batch.noisier_than}) check_level(level);
  const double bound = std::min(batch.reached.alpha, batch.noisier_than.alpha);
  if (!(bound > 0.0)) {
    throw StageError(fmt::format("no time is noisier than t = {} of a rectified flow; take a smaller intermediate_step", bound));
  }
  return bound;
}

// The loss as || prediction c - (e - start c/t) ||^2, finite as s nears t; [B] double each.
struct Coefficients {
  at::Tensor keep;        // s/t
  at::Tensor noise;       // sigma
  at::Tensor prediction;  // c = sigma/D
};

Coefficients coefficients(const at::Tensor& s, double t) {
  const auto keep = s / t;
  const auto rest = keep * (1.0 - t);                           // the noise that X_t's own has become
  const auto sigma = ((1.0 - keep) * (1.0 - s + rest)).sqrt();  // a difference of squares, without cancellation as s nears t
  return {keep, sigma, sigma / (1.0 - s + rest * ((1.0 - t) / t))};
}

}  // namespace

Grid RectifiedFlow::grid(std::int64_t num_inference_steps) const {
  if (num_inference_steps < 1) {
    throw ConfigError(fmt::format("num_inference_steps = {}: it must be at least 1", num_inference_steps));
  }
  const auto count = static_cast<double>(num_inference_steps);
  Grid grid;
  for (std::int64_t k = 0; k <= num_inference_steps; ++k) {
    const auto remaining = static_cast<double>(num_inference_steps - k);
    const double timestep = static_cast<double>(config_.num_train_timesteps) * remaining / count;
    grid.points.push_back({num_inference_steps - k, timestep, {static_cast<double>(k) / count, remaining / count}});
  }
  return grid;
}

Level RectifiedFlow::level(double timestep) const {
  const double sigma = timestep / static_cast<double>(config_.num_train_timesteps);
  return {1.0 - sigma, sigma};
}

State RectifiedFlow::prior(const StateSpec& spec, const TensorMap&, random::Draws& draws) const { return normal_state(spec, draws); }

State RectifiedFlow::noised(const State& x, const Level& reached, const Level& to, random::Draws& draws) const {
  check_level(reached), check_level(to);
  const double keep = to.alpha / reached.alpha;
  const double rest = keep * reached.sigma;  // the noise that the state's own has become
  State noisy;
  for (const auto& [name, value] : x) {
    noisy[name] = value * keep + fresh_noise(value, draws) * std::sqrt(std::max(0.0, (to.sigma - rest) * (to.sigma + rest)));
  }
  return noisy;
}

Estimate RectifiedFlow::estimate(const State& x, const State& prediction, const GridPoint& point) const {
  const auto [alpha, sigma] = level(point.timestep);
  Estimate estimate;
  for (const auto& [name, value] : x) {
    const auto& against = field(prediction, name, value, "prediction");  // minus the velocity
    estimate.clean[name] = value - against * sigma;
    estimate.noise[name] = value + against * alpha;
  }
  return estimate;
}

at::Tensor RectifiedFlow::loss(const Predict& predict, const TrainingBatch& batch, random::Draws& draws) const {
  if (batch.start.empty()) {
    throw InternalError("a training batch without fields");
  }
  const auto device = batch.start.begin()->second.device();
  const double t = batch.reached.alpha;
  const auto s = draws.uniforms({}).flatten() * bound_of(batch);  // [B], on the CPU
  auto [keep, sigma, weight] = coefficients(s, t);
  keep = keep.to(device), sigma = sigma.to(device), weight = weight.to(device);
  State noisy;
  State target;
  for (const auto& [name, start] : batch.start) {
    const auto noise = fresh_noise(start, draws);
    noisy[name] = start * spread(keep, start) + noise * spread(sigma, start);
    target[name] = noise - start * spread(weight / t, start);
  }
  const auto timestep = (1.0 - s) * static_cast<double>(config_.num_train_timesteps);
  const State prediction = predict(noisy, timestep.to(at::kFloat).to(device));
  MeanSquare error;
  for (const auto& [name, value] : target) {
    error.add(field(prediction, name, value, "prediction").to(value.scalar_type()) * spread(weight, value) - value);
  }
  return error.value();
}

}  // namespace espalier::diffusion
