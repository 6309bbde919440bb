#include "runtime/diffusion/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/base/errors.h"

namespace espalier::diffusion {
namespace {

// torch.linspace in float32: counted from the nearer end, each value rounded once, as its fused multiply-add does.
std::vector<float> linspace(double first, double last, std::int64_t count) {
  const auto start = static_cast<float>(first);
  const auto end = static_cast<float>(last);
  std::vector<float> values(static_cast<std::size_t>(count), start);
  if (count == 1) {
    return values;
  }
  const double step = static_cast<double>((end - start) / static_cast<float>(count - 1));
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = i < count / 2 ? static_cast<double>(start) + step * static_cast<double>(i)
                                       : static_cast<double>(end) - step * static_cast<double>(count - i - 1);
    values[static_cast<std::size_t>(i)] = static_cast<float>(value);
  }
  return values;
}

// Nichol and Dhariwal's cosine schedule, betas capped at 0.999.
std::vector<float> cosine_betas(std::int64_t count) {
  const auto alpha_bar = [](double t) {
    const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<float> betas;
  for (std::int64_t i = 0; i < count; ++i) {
    const double t1 = static_cast<double>(i) / static_cast<double>(count);
    const double t2 = static_cast<double>(i + 1) / static_cast<double>(count);
    betas.push_back(static_cast<float>(std::min(1 - alpha_bar(t2) / alpha_bar(t1), 0.999)));
  }
  return betas;
}

std::vector<float> betas_of(const SchedulerConfig& config) {
  switch (config.beta_schedule) {
    case BetaSchedule::linear:
      return linspace(config.beta_start, config.beta_end, config.num_train_timesteps);
    case BetaSchedule::scaled_linear: {
      auto betas = linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), config.num_train_timesteps);
      for (float& beta : betas) {
        beta = beta * beta;
      }
      return betas;
    }
    case BetaSchedule::squaredcos_cap_v2:
      return cosine_betas(config.num_train_timesteps);
  }
  throw InternalError("unknown beta schedule");
}

// numpy.linspace(0, last, count)[k].round(), half to even.
std::int64_t rounded_linspace(std::int64_t last, std::int64_t count, std::int64_t k) {
  if (count == 1) return 0;
  const double step = static_cast<double>(last) / static_cast<double>(count - 1);
  return k == count - 1 ? last : static_cast<std::int64_t>(std::nearbyint(static_cast<double>(k) * step));
}

// numpy.arange(T, 0, -T/n)[i].round() - 1: every entry is T + i delta, delta the difference of the first two. nearbyint: half to even.
std::int64_t trailing(std::int64_t train, std::int64_t n, std::int64_t i) {
  const auto start = static_cast<double>(train);
  const double delta = (start - start / static_cast<double>(n)) - start;
  return static_cast<std::int64_t>(std::nearbyint(start + static_cast<double>(i) * delta)) - 1;
}

std::int64_t ddim_timestep(const SchedulerConfig& config, std::int64_t n, std::int64_t i) {
  const std::int64_t train = config.num_train_timesteps;
  switch (config.spacing.value_or(TimestepSpacing::leading)) {
    case TimestepSpacing::leading:
      return (n - 1 - i) * (train / n) + config.steps_offset;
    case TimestepSpacing::trailing:
      return trailing(train, n, i);
    case TimestepSpacing::linspace:
      return rounded_linspace(train - 1, n, n - 1 - i);
  }
  throw InternalError("unknown timestep spacing");
}

std::int64_t dpm_solver_timestep(const SchedulerConfig& config, TimestepSpacing spacing, std::int64_t n, std::int64_t i) {
  const std::int64_t train = config.num_train_timesteps;
  switch (spacing) {
    case TimestepSpacing::leading:
      return (n - i) * (train / (n + 1)) + config.steps_offset;
    case TimestepSpacing::trailing:
      return trailing(train, n, i);
    case TimestepSpacing::linspace:
      return rounded_linspace(train - 1, n + 1, n - i);
  }
  throw InternalError("unknown timestep spacing");
}

template <class Timestep>
std::vector<std::int64_t> timesteps(const SchedulerConfig& config, std::int64_t num_inference_steps, const Timestep& timestep) {
  const std::int64_t train = config.num_train_timesteps;
  if (num_inference_steps < 1 || num_inference_steps > train) {
    throw ConfigError(
        fmt::format("num_inference_steps = {}: it must be from 1 to the model's num_train_timesteps = {}", num_inference_steps, train));
  }
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < num_inference_steps; ++i) result.push_back(timestep(i));
  if (result.front() >= train) {
    throw ConfigError(
        fmt::format("num_inference_steps = {}: with the scheduler's steps_offset = {} the first timestep would be {}, beyond "
                    "num_train_timesteps - 1 = {}; take fewer steps",
                    num_inference_steps, config.steps_offset, result.front(), train - 1));
  }
  return result;
}

}  // namespace

std::vector<double> alpha_bars(const SchedulerConfig& config) {
  std::vector<double> result;
  double product = 1.0;
  for (const float beta : betas_of(config)) {
    product *= static_cast<double>(1.0F - beta);
    const double previous = result.empty() ? 1.0 : result.back();
    result.push_back(static_cast<double>(static_cast<float>(product)));
    if (!(result.back() < previous && result.back() > 0.0)) {
      throw DataError(
          fmt::format("noise schedule: alpha_bar does not fall from timestep {} to {} ({} and {} in float32); take larger betas "
                      "or fewer num_train_timesteps",
                      static_cast<std::int64_t>(result.size()) - 2, result.size() - 1, previous, result.back()));
    }
  }
  return result;
}

std::vector<std::int64_t> ddim_timesteps(const SchedulerConfig& config, std::int64_t num_inference_steps) {
  return timesteps(config, num_inference_steps, [&](std::int64_t i) { return ddim_timestep(config, num_inference_steps, i); });
}

std::vector<std::int64_t> dpm_solver_timesteps(const SchedulerConfig& config, TimestepSpacing spacing, std::int64_t num_inference_steps) {
  auto result =
      timesteps(config, num_inference_steps, [&](std::int64_t i) { return dpm_solver_timestep(config, spacing, num_inference_steps, i); });
  const auto twice = std::ranges::adjacent_find(result);
  if (twice != result.end()) {
    throw ConfigError(
        fmt::format("num_inference_steps = {}: this spacing of a DPM-Solver's timesteps would take timestep {} twice; take at most "
                    "num_train_timesteps - 1 = {} steps, or trailing spacing",
                    num_inference_steps, *twice, config.num_train_timesteps - 1));
  }
  return result;
}

}  // namespace espalier::diffusion
