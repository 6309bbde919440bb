// The forward side of the interleaved process: noising a recorded state further, and the loss.
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/diffusion/interleaved.h"
#include "runtime/diffusion/state_math.h"

namespace espalier::diffusion {

std::int64_t Interleaved::visits(std::int64_t position, std::int64_t steps) const {
  if (config_.order == VisitOrder::joint) return steps;
  return steps / positions() + (position < steps % positions() ? 1 : 0);
}

at::Tensor Interleaved::visits_after(const std::vector<std::int64_t>& steps) const {
  std::vector<std::int64_t> counts;
  for (const auto n : steps) {
    for (std::int64_t position = 0; position < positions(); ++position) counts.push_back(visits(position, n));
  }
  return at::tensor(counts, at::kLong).reshape({static_cast<std::int64_t>(steps.size()), config_.num_elements, 2});
}

std::int64_t Interleaved::steps_at(const Level& level) const {
  const auto steps = static_cast<double>(num_steps_) * level.sigma;
  const double whole = std::nearbyint(steps);
  if (std::abs(level.alpha + level.sigma - 1.0) > 1e-6 || std::abs(steps - whole) > 1e-3 || whole < 0.0 ||
      whole > static_cast<double>(num_steps_)) {
    throw StageError(fmt::format("a state at alpha = {}, sigma = {} does not come from this interleaved process of {} steps", level.alpha,
                                 level.sigma, num_steps_));
  }
  return static_cast<std::int64_t>(whole);
}

at::Tensor Interleaved::alpha_bar_after(const at::Tensor& visits) const {
  return at::tensor(alpha_bar_, at::kDouble).index_select(0, visits.flatten()).reshape(visits.sizes());
}

at::Tensor Interleaved::noise_to(State& x, const at::Tensor& from, const at::Tensor& to, random::Draws& draws) const {
  const auto device = x.at("token").device();
  const auto active = active_parts(x);
  const auto kept = (alpha_bar_after(to) / alpha_bar_after(from)).expand({draws.batch(), config_.num_elements, 2});
  const auto stays = (draws.uniforms({config_.num_elements}) < kept.select(-1, 0)).to(device);
  const auto fresh = draws.integers({config_.num_elements}, config_.num_classes).to(device);
  x["token"] = at::where(stays.logical_or(active.select(-1, 0).logical_not()), x.at("token"), fresh);
  const auto& vector = x.at("vector");
  const auto noise = fresh_noise(vector, draws);
  const auto share = kept.narrow(-1, 1, 1).to(device);
  const auto noisy = vector * share.sqrt().to(vector.scalar_type()) + noise * (1.0 - share).sqrt().to(vector.scalar_type());
  x["vector"] = at::where(active.narrow(-1, 1, 1), noisy, vector);
  return noise;
}

State Interleaved::renoise(const State& x, std::int64_t from, std::int64_t to, random::Draws& draws) const {
  State noisy = x;
  noise_to(noisy, visits_after({from}), visits_after({to}), draws);
  return noisy;
}

State Interleaved::noised(const State& x, const Level& reached, const Level& to, random::Draws& draws) const {
  return renoise(x, steps_at(reached), steps_at(to), draws);
}

// The floor(uniform * count)-th of the sample's visits after `beyond` steps that do something; num_steps() where there are none.
std::int64_t Interleaved::draw_step(const at::Tensor& active, double uniform, std::int64_t beyond) const {
  const auto nth = [uniform](std::int64_t count) {
    return std::min(static_cast<std::int64_t>(uniform * static_cast<double>(count)), count - 1);
  };
  if (config_.order == VisitOrder::joint) return beyond + 1 + nth(num_steps_ - beyond);
  const auto* visited = active.const_data_ptr<bool>();
  const auto left = [&](std::int64_t position) { return visited[position] ? config_.num_rounds - visits(position, beyond) : 0; };
  std::int64_t total = 0;
  for (std::int64_t p = 0; p < positions(); ++p) total += left(p);
  if (total == 0) return num_steps_;
  auto rest = nth(total);
  std::int64_t position = 0;
  for (; rest >= left(position); ++position) rest -= left(position);
  return (visits(position, beyond) + rest) * positions() + position + 1;
}

std::vector<std::int64_t> Interleaved::draw_steps(const TrainingBatch& batch, std::int64_t beyond, random::Draws& draws) const {
  if (beyond >= num_steps_) {
    throw StageError(
        fmt::format("no step of an interleaved process is noisier than {} of {}; take a smaller intermediate_step", beyond, num_steps_));
  }
  const auto active = active_parts(batch.start).to(at::kCPU).contiguous();
  const auto uniform = draws.uniforms({1});
  std::vector<std::int64_t> steps;
  for (std::int64_t b = 0; b < draws.batch(); ++b) {
    steps.push_back(draw_step(active[b], uniform.const_data_ptr<double>()[b], beyond));
  }
  return steps;
}

at::Tensor Interleaved::parts_visited(const at::Tensor& position) const {
  const auto count = position.size(0);
  if (config_.order == VisitOrder::joint) return at::ones({count, config_.num_elements, 2}, at::kBool);
  const auto visited = at::zeros({count, positions()}, at::kBool).scatter_(1, position.unsqueeze(1), true);
  return visited.view({count, config_.num_elements, 2});
}

namespace {

// Mean of `value` [B, M] over the elements chosen, [B]; 0 where none is.
at::Tensor mean_over(const at::Tensor& value, const at::Tensor& chosen) {
  const auto weight = chosen.to(value.scalar_type());
  return (value * weight).sum(1) / weight.sum(1).clamp_min(1.0);
}

}  // namespace

at::Tensor Interleaved::loss(const Predict& predict, const TrainingBatch& batch, random::Draws& draws) const {
  const bool joint = config_.order == VisitOrder::joint;
  const auto device = batch.start.at("token").device();
  const auto reached = steps_at(batch.reached);
  const auto steps = draw_steps(batch, std::max(reached, steps_at(batch.noisier_than)), draws);
  std::vector<std::int64_t> positions;
  std::vector<double> timesteps;
  for (const auto n : steps) {
    positions.push_back(position(n));
    timesteps.push_back(timestep(n));
  }
  const auto visit = at::tensor(positions, at::kLong);
  const auto visited = parts_visited(visit).to(device).logical_and(active_parts(batch.start));  // [B, M, 2]
  const auto before = visits_after({reached}), after = visits_after(steps);                     // [1 or B, M, 2]

  // A token that is hidden from the network is noised only up to the visit, and is the target.
  auto until = after.clone();
  if (!joint) until.select(-1, 0).sub_(visited.select(-1, 0).to(at::kCPU).to(at::kLong));
  State noisy = batch.start;
  const auto noise = noise_to(noisy, before, until, draws);
  const auto token = noisy.at("token");
  if (!joint) noisy["token"] = token.masked_fill(visited.select(-1, 0), config_.num_classes);
  noisy["visit"] = visit.to(device);
  const auto prediction = predict(noisy, at::tensor(timesteps, at::kFloat).to(device));

  const auto& logits = prediction.at("token");
  const auto token_loss = joint ? joint_token_loss(logits, batch.start.at("token"), token, before, after)
                                : -at::log_softmax(logits, -1).gather(-1, token.unsqueeze(-1)).squeeze(-1);
  const auto& eps = field(prediction, "vector", noise, "prediction");
  const auto weight = vector_weight(before, after).to(device).to(eps.scalar_type()).unsqueeze(-1);
  const auto vector_loss = (eps * weight - noise).square().mean(-1);
  return mean_over(vector_loss, visited.select(-1, 1)) + mean_over(token_loss, visited.select(-1, 0));
}

// sqrt((1 - rho)/(1 - abar_m)) of each vector, [B, M]; 0 of one that was never visited.
at::Tensor Interleaved::vector_weight(const at::Tensor& before, const at::Tensor& after) const {
  const auto alpha_after = alpha_bar_after(after).select(-1, 1), rho = alpha_after / alpha_bar_after(before).select(-1, 1);
  return at::where(after.select(-1, 1) > 0, (1.0 - rho) / (1.0 - alpha_after), 0.0).sqrt();
}

// num_rounds KL(q || prediction's law) of the token before the visit, given the one after it: q is conditioned on the token where noising
// started.
at::Tensor Interleaved::joint_token_loss(const at::Tensor& logits, const at::Tensor& start, const at::Tensor& token,
                                         const at::Tensor& before, const at::Tensor& after) const {
  const auto column = [&](const at::Tensor& visits) {
    return alpha_bar_after(visits).select(-1, 0).unsqueeze(-1).to(logits.device()).to(logits.scalar_type());
  };
  const auto alpha_start = column(before), alpha_after = column(after), alpha_before = column(after - 1);
  const auto keep = alpha_after / alpha_before;
  const auto exact = joint_law(at::zeros(logits.sizes(), logits.options()).scatter_(-1, start.unsqueeze(-1), 1.0), token, keep,
                               alpha_before / alpha_start, alpha_after / alpha_start);
  const auto law = joint_law(at::softmax(logits, -1), token, keep, alpha_before, alpha_after);
  constexpr double kTiny = 1e-12;
  return (exact * (exact.clamp_min(kTiny).log() - law.clamp_min(kTiny).log())).sum(-1) * static_cast<double>(config_.num_rounds);
}

}  // namespace espalier::diffusion
