#include "plugins/sampler/dpm_solver/rule.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace espalier::dpm_solver {
namespace {

double half_log_snr(const diffusion::Level& level) { return std::log(level.alpha / level.sigma); }

}  // namespace

sampling::Transition transition(const State& x, const State& clean, const Before* before, const diffusion::Level& from,
                                const diffusion::Level& to, const Rule& rule) {
  const double h = half_log_snr(to) - half_log_snr(from);  // infinite for a step to the sample
  const double rate = rule.stochastic ? 2.0 * h : h;
  const double of_clean = -std::expm1(-rate);
  const double of_x = to.sigma / from.sigma * (rule.stochastic ? std::exp(-h) : 1.0);
  const double of_difference = rule.heun && rate > 0.0 ? 1.0 - of_clean / rate : 0.5 * of_clean;
  const double ratio = before == nullptr ? 0.0 : h / (half_log_snr(from) - half_log_snr(before->level));
  sampling::Transition result;
  for (const auto& [name, x0] : clean) {
    auto mean = x.at(name) * of_x + x0 * (to.alpha * of_clean);
    if (before != nullptr) mean = mean + (x0 - before->clean.at(name)) * (to.alpha * of_difference * ratio);
    result.mean[name] = std::move(mean);
  }
  if (rule.stochastic) result.std = to.sigma * std::sqrt(of_clean);
  return result;
}

}  // namespace espalier::dpm_solver
