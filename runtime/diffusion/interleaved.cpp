#include "runtime/diffusion/interleaved.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "runtime/base/errors.h"
#include "runtime/diffusion/schedule.h"
#include "runtime/diffusion/state_math.h"

namespace espalier::diffusion {
namespace {

at::Tensor one_hot(const at::Tensor& token, std::int64_t classes, at::ScalarType dtype) {
  return at::zeros({token.size(0), token.size(1), classes}, token.options().dtype(dtype)).scatter_(-1, token.unsqueeze(-1), 1.0);
}

// A class for each law [..., K] by its uniform [...]; both double.
at::Tensor draw_class(const at::Tensor& law, const at::Tensor& uniform) {
  const auto cumulative = law.cumsum(-1);
  const auto total = cumulative.narrow(-1, law.size(-1) - 1, 1);
  return (cumulative < uniform.unsqueeze(-1) * total).sum(-1).clamp_max(law.size(-1) - 1);
}

// `x` with a part of its elements replaced where `active`.
at::Tensor replaced(const at::Tensor& x, std::int64_t first, const at::Tensor& active, const at::Tensor& part) {
  auto whole = x.clone();
  auto old = whole.narrow(1, first, part.size(1));
  old.copy_(at::where(active, part, old));
  return whole;
}

}  // namespace

Interleaved::Interleaved(const InterleavedConfig& config)
    : NoiseProcess("interleaved"),
      config_(config),
      num_steps_(config.num_rounds * (config.order == VisitOrder::joint ? 1 : 2 * config.num_elements)) {
  SchedulerConfig schedule;
  schedule.num_train_timesteps = config.num_rounds;
  schedule.beta_schedule = config.beta_schedule;
  schedule.beta_start = config.beta_start;
  schedule.beta_end = config.beta_end;
  alpha_bar_ = {1.0};
  for (const double alpha_bar : alpha_bars(schedule)) alpha_bar_.push_back(alpha_bar);
}

Grid Interleaved::grid(std::int64_t num_inference_steps) const {
  if (num_inference_steps != num_steps_) {
    throw ConfigError(fmt::format("num_inference_steps = {}: this interleaved process has {} steps ({} rounds), and no shorter way",
                                  num_inference_steps, num_steps_, config_.num_rounds));
  }
  Grid grid;
  for (std::int64_t n = num_steps_; n >= 0; --n) {
    const double noise = static_cast<double>(n) / static_cast<double>(num_steps_);
    grid.points.push_back({n, timestep(n), {1.0 - noise, noise}});
  }
  return grid;
}

double Interleaved::timestep(std::int64_t steps_remaining) const {
  return 1000.0 * (static_cast<double>(steps_remaining) / static_cast<double>(num_steps_));
}

Level Interleaved::level(double timestep) const { return {1.0 - timestep / 1000.0, timestep / 1000.0}; }

State Interleaved::prior(const StateSpec& spec, const TensorMap& condition, random::Draws& draws) const {
  const auto& shape = spec.at("vector").shape;
  if (shape.front() != config_.num_elements) {
    throw ConfigError(fmt::format("the domain's states have {} elements, the model's process {}", shape.front(), config_.num_elements));
  }
  const auto batch = draws.batch();
  State x;
  x["token"] = draws.integers({shape.front()}, config_.num_classes);
  x["vector"] = draws.normals(shape);
  x["present"] = at::ones({batch, shape.front()}, at::kBool);
  x["frozen"] = at::zeros({batch, shape.front(), 2}, at::kBool);
  if (condition.empty()) return x;
  for (auto& [name, tensor] : x) tensor = tensor.to(condition.at("present").device());
  return impose(std::move(x), condition);
}

State Interleaved::impose(State x, const TensorMap& condition) {
  if (condition.empty()) return x;
  const auto& present = condition.at("present");
  const auto& frozen = condition.at("frozen");
  x["present"] = present;
  x["frozen"] = frozen.logical_and(present.unsqueeze(-1));
  x["token"] = at::where(frozen.select(-1, 0), condition.at("token"), x["token"]).mul(present.to(at::kLong));
  x["vector"] = at::where(frozen.narrow(-1, 1, 1), condition.at("vector"), x["vector"]).mul(present.unsqueeze(-1));
  return x;
}

at::Tensor Interleaved::active_parts(const State& x) { return x.at("present").unsqueeze(-1).logical_and(x.at("frozen").logical_not()); }

std::int64_t Interleaved::position(std::int64_t steps_remaining) const {
  return config_.order == VisitOrder::joint ? -1 : (steps_remaining - 1) % positions();
}

Interleaved::Visit Interleaved::visit(std::int64_t steps_remaining) const {
  const auto t = steps_remaining - 1;
  if (config_.order == VisitOrder::joint) return {t + 1, 0, config_.num_elements, true, true};
  const auto visited = position(steps_remaining);
  return {t / positions() + 1, visited / 2, 1, visited % 2 == 0, visited % 2 == 1};
}

std::optional<Query> Interleaved::query(const State& x, const GridPoint& point) const {
  const auto visited = visit(point.steps_remaining);
  const auto active = active_parts(x).narrow(1, visited.first, visited.count);
  const auto any = [&](std::int64_t part) { return active.select(-1, part).any().item<bool>(); };
  if (!(visited.token && any(0)) && !(visited.vector && any(1))) return std::nullopt;
  const bool joint = config_.order == VisitOrder::joint;
  State input = x;
  if (!joint && visited.token) {
    input["token"] = x.at("token").clone();
    input["token"].select(1, visited.first).fill_(config_.num_classes);
  }
  input["visit"] = at::full({x.at("token").size(0)}, position(point.steps_remaining), x.at("token").options());
  return Query{std::move(input), point.timestep};
}

Estimate Interleaved::estimate(const State& x, const State& prediction, const GridPoint& point) const {
  const auto& vector = x.at("vector");
  const auto& eps = field(prediction, "vector", vector, "prediction");
  const auto alpha_bar = alpha_bar_after(visits_after({point.steps_remaining})).narrow(-1, 1, 1).to(vector.device());  // [1, M, 1] double
  const auto active = active_parts(x);
  const auto alpha = alpha_bar.sqrt().to(vector.scalar_type()), sigma = (1.0 - alpha_bar).sqrt().to(vector.scalar_type());
  Estimate estimate;
  estimate.clean = x;
  estimate.clean["token"] = at::where(active.select(-1, 0), prediction.at("token").argmax(-1), x.at("token"));
  estimate.clean["vector"] = at::where(active.narrow(-1, 1, 1), (vector - eps * sigma) / alpha, vector);
  estimate.noise["vector"] = eps;
  return estimate;
}

// With phi = keep the probability that the visit left the token alone, and of a clean token to be alone for all visits before and after:
// p(y | a) = sum over x of p(x) q(y | a, x), q(y | a, x) = L(y) (keep_before [y = x] + (1 - keep_before)/K) / Z(x), L(y) = keep [y = a] +
// (1 - keep)/K, Z(x) = keep_after [x = a] + (1 - keep_after)/K.
at::Tensor Interleaved::joint_law(const at::Tensor& clean, const at::Tensor& token, const at::Tensor& keep, const at::Tensor& keep_before,
                                  const at::Tensor& keep_after) const {
  const auto classes = static_cast<double>(config_.num_classes);
  const auto here = one_hot(token, config_.num_classes, clean.scalar_type());
  const auto ratio = clean / (keep_after * here + (1.0 - keep_after) / classes);
  return (keep * here + (1.0 - keep) / classes) * (keep_before * ratio + (1.0 - keep_before) / classes * ratio.sum(-1, true));
}

at::Tensor Interleaved::token_law(const at::Tensor& logits, const at::Tensor& token, std::int64_t m) const {
  const auto h = at::softmax(logits.to(at::kDouble), -1);
  const double keep = alpha_bar_[m] / alpha_bar_[m - 1];
  if (config_.order == VisitOrder::joint) {
    const auto number = [&](double value) { return at::full({}, value, h.options()); };
    return joint_law(h, token, number(keep), number(alpha_bar_[m - 1]), number(alpha_bar_[m]));
  }
  if (config_.token_reversal == TokenReversal::gibbs) return h;
  const auto kept = keep * h.gather(-1, token.unsqueeze(-1));
  const auto stays = kept / (kept + (1.0 - keep) / static_cast<double>(config_.num_classes));
  return stays * one_hot(token, config_.num_classes, at::kDouble) + (1.0 - stays) * h;
}

at::Tensor Interleaved::vector_mean(const at::Tensor& vector, const at::Tensor& eps, std::int64_t m) const {
  const double alpha = alpha_bar_[m] / alpha_bar_[m - 1];
  return (vector - eps * ((1.0 - alpha) / std::sqrt(1.0 - alpha_bar_[m]))) * (1.0 / std::sqrt(alpha));
}

double Interleaved::vector_variance(std::int64_t m) const {
  return (1.0 - alpha_bar_[m] / alpha_bar_[m - 1]) * (1.0 - alpha_bar_[m - 1]) / (1.0 - alpha_bar_[m]);
}

State Interleaved::reverse_step(const State& x, const State& prediction, const GridPoint& from, random::Draws& draws) const {
  const auto [m, first, count, token, vector] = visit(from.steps_remaining);
  const auto active = active_parts(x).narrow(1, first, count);
  State next = x;
  if (token) {
    const auto law = token_law(prediction.at("token").narrow(1, first, count), x.at("token").narrow(1, first, count), m);
    const auto drawn = draw_class(law, draws.uniforms({count}).to(law.device()));
    next["token"] = replaced(x.at("token"), first, active.select(-1, 0), drawn);
    // A token cannot be NaN: where its law is not finite, the sample's vectors become NaN instead.
    const auto lost = law.isfinite().all(-1).logical_not().logical_and(active.select(-1, 0)).any(1);
    next["vector"] = next.at("vector").masked_fill(lost.view({-1, 1, 1}), std::numeric_limits<double>::quiet_NaN());
  }
  if (vector) {
    const auto old = next.at("vector").narrow(1, first, count);
    const auto noise = fresh_noise(old, draws);
    const auto mean = vector_mean(old, prediction.at("vector").narrow(1, first, count), m);
    next["vector"] = replaced(next.at("vector"), first, active.narrow(-1, 1, 1), mean + noise * std::sqrt(vector_variance(m)));
  }
  return next;
}

std::optional<at::Tensor> Interleaved::reverse_log_prob(const State& x, const State& prediction, const State& next,
                                                        const GridPoint& from) const {
  const auto [m, first, count, token, vector] = visit(from.steps_remaining);
  const bool random_vector = vector && m > 1;
  if (!token && !random_vector) return std::nullopt;
  const auto active = active_parts(x).narrow(1, first, count).to(at::kDouble);
  auto sum = at::zeros({x.at("token").size(0)}, active.options()), parts = sum;
  if (token) {
    const auto law = token_law(prediction.at("token").narrow(1, first, count), x.at("token").narrow(1, first, count), m);
    const auto chosen = law.gather(-1, next.at("token").narrow(1, first, count).unsqueeze(-1)).squeeze(-1).clamp_min(1e-300).log();
    sum = sum + (chosen * active.select(-1, 0)).sum(1);
    parts = parts + active.select(-1, 0).sum(1);
  }
  if (random_vector) {
    const double variance = vector_variance(m);
    const auto mean = vector_mean(x.at("vector").narrow(1, first, count), prediction.at("vector").narrow(1, first, count), m);
    const auto square = (next.at("vector").narrow(1, first, count) - mean).to(at::kDouble).square();
    const auto log_density = square * (-0.5 / variance) - 0.5 * std::log(2.0 * std::numbers::pi * variance);
    sum = sum + (log_density.mean(-1) * active.select(-1, 1)).sum(1);
    parts = parts + active.select(-1, 1).sum(1);
  }
  return sum / parts.clamp_min(1.0);
}

}  // namespace espalier::diffusion
