#include "runtime/diffusion/variance_preserving.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/diffusion/schedule.h"
#include "runtime/diffusion/state_math.h"

namespace espalier::diffusion {
namespace {

Level level_of(double alpha_bar) { return {std::sqrt(alpha_bar), std::sqrt(1.0 - alpha_bar)}; }

// The clean state and the noise that a prediction stands for at alpha_bar.
std::pair<at::Tensor, at::Tensor> clean_and_noise(Prediction kind, const at::Tensor& x, const at::Tensor& prediction, double alpha_bar) {
  const auto [alpha, sigma] = level_of(alpha_bar);
  switch (kind) {
    case Prediction::epsilon:
      return {(x - prediction * sigma) / alpha, prediction};
    case Prediction::sample:
      return {prediction, (x - prediction * alpha) / sigma};
    case Prediction::v_prediction:
      return {x * alpha - prediction * sigma, prediction * alpha + x * sigma};
  }
  throw InternalError("unknown prediction type");
}

void check_level(const Level& level) {
  if (std::abs(level.alpha * level.alpha + level.sigma * level.sigma - 1.0) <= 1e-6) return;
  throw StageError(fmt::format("a state at alpha = {}, sigma = {} does not come from a variance preserving process (alpha^2 + sigma^2 = 1)",
                               level.alpha, level.sigma));
}

// From pure noise, whatever the first timestep's level is; then the steps reach these levels, and the last one `end`.
Grid grid_of(const std::vector<std::int64_t>& timesteps, const std::vector<Level>& reached, const Level& end) {
  const auto count = static_cast<std::int64_t>(timesteps.size());
  Grid grid;
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    grid.points.push_back(
        {count - static_cast<std::int64_t>(i), static_cast<double>(timesteps[i]), i == 0 ? Level{0.0, 1.0} : reached[i - 1]});
  }
  grid.points.push_back({0, 0.0, end});
  return grid;
}

// Rows of the tensor that loss_coefficients() gives.
enum Row : std::int64_t { kKeep, kNoise, kPrediction, kTargetStart, kTargetNoise, kRows };

}  // namespace

VariancePreserving::VariancePreserving(const SchedulerConfig& config)
    : NoiseProcess("variance_preserving"), config_(config), alpha_bars_(diffusion::alpha_bars(config)) {}

double VariancePreserving::alpha_bar_at(double timestep) const {
  if (!(timestep >= 0.0 && timestep < static_cast<double>(alpha_bars_.size())) || timestep != std::floor(timestep)) {
    throw InternalError(fmt::format("timestep {} is not one of the process's 0..{}", timestep, alpha_bars_.size() - 1));
  }
  return alpha_bars_[static_cast<std::size_t>(timestep)];
}

Level VariancePreserving::ddim_end() const { return level_of(config_.set_alpha_to_one ? 1.0 : alpha_bars_.front()); }

Grid VariancePreserving::grid(std::int64_t num_inference_steps) const {
  const auto timesteps = ddim_timesteps(config_, num_inference_steps);
  return grid_of(timesteps, levels_of({timesteps.begin() + 1, timesteps.end()}), ddim_end());
}

Grid VariancePreserving::diffusers_grid(std::int64_t num_inference_steps) const {
  const auto timesteps = ddim_timesteps(config_, num_inference_steps);
  std::vector<Level> reached;
  for (const auto timestep : timesteps) {
    const auto before = timestep - config_.num_train_timesteps / num_inference_steps;
    reached.push_back(before < 0 ? ddim_end() : level(static_cast<double>(before)));
  }
  const auto last = reached.back();
  reached.pop_back();
  return grid_of(timesteps, reached, last);
}

Grid VariancePreserving::dpm_solver_grid(std::int64_t num_inference_steps, std::optional<TimestepSpacing> spacing, FinalSigma end) const {
  const auto used = spacing.value_or(config_.spacing.value_or(TimestepSpacing::linspace));
  const auto timesteps = dpm_solver_timesteps(config_, used, num_inference_steps);
  return grid_of(timesteps, levels_of({timesteps.begin() + 1, timesteps.end()}), end == FinalSigma::zero ? Level{} : level(0.0));
}

std::vector<Level> VariancePreserving::levels_of(const std::vector<std::int64_t>& timesteps) const {
  std::vector<Level> levels;
  for (const auto timestep : timesteps) levels.push_back(level(static_cast<double>(timestep)));
  return levels;
}

Level VariancePreserving::level(double timestep) const { return level_of(alpha_bar_at(timestep)); }

State VariancePreserving::prior(const StateSpec& spec, const TensorMap&, random::Draws& draws) const { return normal_state(spec, draws); }

State VariancePreserving::noised(const State& x, const Level& reached, const Level& to, random::Draws& draws) const {
  check_level(reached), check_level(to);
  const double keep = to.alpha / reached.alpha;
  State noisy;
  for (const auto& [name, value] : x) noisy[name] = value * keep + fresh_noise(value, draws) * std::sqrt(std::max(0.0, 1.0 - keep * keep));
  return noisy;
}

Estimate VariancePreserving::estimate(const State& x, const State& prediction, const GridPoint& point) const {
  const double abar = alpha_bar_at(point.timestep);
  Estimate estimate;
  for (const auto& [name, value] : x) {
    auto [clean, noise] = clean_and_noise(config_.prediction, value, field(prediction, name, value, "prediction"), abar);
    if (config_.clip_sample) clean = clean.clamp(-config_.clip_sample_range, config_.clip_sample_range);
    estimate.clean[name] = std::move(clean);
    estimate.noise[name] = std::move(noise);
  }
  return estimate;
}

std::int64_t VariancePreserving::first_noisier(const TrainingBatch& batch) const {
  for (const Level& level : {batch.reached, batch.noisier_than}) check_level(level);
  // Alphas are compared as grid() computes them, so that a state's own timestep is not noisier than itself.
  const double alpha = std::min(batch.reached.alpha, batch.noisier_than.alpha);
  const auto first = std::find_if(alpha_bars_.begin(), alpha_bars_.end(), [alpha](double abar) { return level_of(abar).alpha < alpha; });
  if (first == alpha_bars_.end()) {
    throw StageError(
        fmt::format("no training timestep is noisier than alpha = {} (the noisiest of {} has {}); take a smaller intermediate_step", alpha,
                    alpha_bars_.size(), level_of(alpha_bars_.back()).alpha));
  }
  return first - alpha_bars_.begin();
}

at::Tensor VariancePreserving::loss_coefficients(double reached_alpha_bar, const at::Tensor& timesteps) const {
  const std::int64_t batch = timesteps.numel();
  const auto contiguous = timesteps.contiguous();
  const auto* s = contiguous.const_data_ptr<std::int64_t>();
  auto result = at::empty({kRows, batch}, at::kDouble);
  auto* row = result.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < batch; ++i) {
    const double abar = alpha_bars_[static_cast<std::size_t>(s[i])];
    const double rho = abar / reached_alpha_bar;
    const double weight = std::sqrt((1 - rho) / (1 - abar));
    // weight * target, written so that it stays finite as s nears the reached level (the targets themselves grow as 1/sqrt(1 - rho)).
    const double clean_start = weight / std::sqrt(reached_alpha_bar);
    const double clean_noise = -std::sqrt(abar) * (1 - reached_alpha_bar) / (reached_alpha_bar * std::sqrt(1 - abar));
    double target_start = 0.0;
    double target_noise = 1.0;
    if (config_.prediction == Prediction::sample) {
      target_start = clean_start;
      target_noise = clean_noise;
    } else if (config_.prediction == Prediction::v_prediction) {
      target_start = -std::sqrt(1 - abar) * clean_start;
      target_noise = std::sqrt(abar) - std::sqrt(1 - abar) * clean_noise;
    }
    row[kKeep * batch + i] = std::sqrt(rho);
    row[kNoise * batch + i] = std::sqrt(1 - rho);
    row[kPrediction * batch + i] = weight;
    row[kTargetStart * batch + i] = target_start;
    row[kTargetNoise * batch + i] = target_noise;
  }
  return result;
}

at::Tensor VariancePreserving::loss(const Predict& predict, const TrainingBatch& batch, random::Draws& draws) const {
  if (batch.start.empty()) {
    throw InternalError("a training batch without fields");
  }
  const auto device = batch.start.begin()->second.device();
  const std::int64_t first = first_noisier(batch);
  const auto timesteps = draws.integers({}, static_cast<std::int64_t>(alpha_bars_.size()) - first) + first;  // [B], on the CPU
  const auto c = loss_coefficients(batch.reached.alpha * batch.reached.alpha, timesteps).to(device);         // [kRows, B]
  State noisy;
  State target;
  for (const auto& [name, start] : batch.start) {
    const auto noise = fresh_noise(start, draws);
    noisy[name] = start * spread(c[kKeep], start) + noise * spread(c[kNoise], start);
    target[name] = start * spread(c[kTargetStart], start) + noise * spread(c[kTargetNoise], start);
  }
  const State prediction = predict(noisy, timesteps.to(at::kFloat).to(device));
  MeanSquare error;
  for (const auto& [name, value] : target) {
    error.add(field(prediction, name, value, "prediction").to(value.scalar_type()) * spread(c[kPrediction], value) - value);
  }
  return error.value();
}

}  // namespace espalier::diffusion
