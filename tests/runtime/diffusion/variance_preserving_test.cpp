#include "runtime/diffusion/variance_preserving.h"

#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "runtime/base/errors.h"
#include "runtime/sampling/transition.h"
#include "tests/runtime/diffusion/support.h"

namespace espalier::diffusion {
namespace {

using sampling::ddim_transition;

constexpr auto kPredictions = {Prediction::epsilon, Prediction::v_prediction, Prediction::sample};

TEST(Prior, IsTheDrawsOwnNormals) {
  const VariancePreserving process(plain());
  auto draws = draws_of(3, 5);
  auto again = draws_of(3, 5);
  const auto state = process.prior({{"a", {{2}, at::kFloat}}, {"b", {{1, 2}, at::kDouble}}}, {}, draws);
  EXPECT_TRUE(state.at("a").equal(again.normals({2})));
  EXPECT_TRUE(state.at("b").equal(again.normals({1, 2}, at::kDouble)));
}

TEST(DdimTransition, AddsFreshNoiseOfTheTransitionsWidth) {
  const VariancePreserving process(plain());
  const auto grid = process.grid(10);
  const State x = {{"x", at::full({4, 3}, 0.7, at::kDouble)}};
  const State prediction = {{"x", at::full({4, 3}, -0.2, at::kDouble)}};
  auto draws = draws_of(4, 1);
  auto again = draws_of(4, 1);
  const auto transition = ddim_transition(x, prediction, {process, grid.at(6), grid.at(5)}, 0.5);
  EXPECT_TRUE(transition.draw(draws).at("x").equal(transition.mean.at("x") + again.normals({3}, at::kDouble) * transition.std));
}

TEST(DdimTransition, WithoutEtaIsDeterministic) {
  const VariancePreserving process(plain());
  const auto grid = process.grid(10);
  const State x = {{"x", at::ones({2, 2})}};
  auto draws = draws_of(2, 1);
  auto other = draws_of(2, 2);
  const auto transition = ddim_transition(x, x, {process, grid.at(6), grid.at(5)}, 0.0);
  EXPECT_TRUE(transition.draw(draws).at("x").equal(transition.draw(other).at("x")));
}

TEST(DdimLogProb, IsTheMeanGaussianLogDensity) {
  const VariancePreserving process(plain());
  const auto grid = process.grid(10);
  const State x = {{"x", column({0.3, -1.0, 0.2, 2.0}).reshape({2, 2})}, {"y", column({0.5, 0.1})}};
  const State next = {{"x", column({0.1, -0.9, 0.0, 1.0}).reshape({2, 2})}, {"y", column({0.2, 0.2})}};
  const auto log_prob = ddim_transition(x, x, {process, grid.at(6), grid.at(5)}, 1.0).log_prob(next);
  ASSERT_TRUE(log_prob.has_value());
  // DDIM's formulas (12) and (16) for a network that answers eps = x, by hand.
  const double abar = process.alpha_bars()[500];
  const double previous = process.alpha_bars()[400];
  const double variance = (1 - previous) / (1 - abar) * (1 - abar / previous);
  const auto log_density = [&](double from, double to) {
    const double clean = (from - std::sqrt(1 - abar) * from) / std::sqrt(abar);
    const double mean = std::sqrt(previous) * clean + std::sqrt(1 - previous - variance) * from;
    return -0.5 * (to - mean) * (to - mean) / variance - 0.5 * std::log(2 * std::numbers::pi * variance);
  };
  EXPECT_NEAR((*log_prob)[0].item<double>(), (log_density(0.3, 0.1) + log_density(-1.0, -0.9) + log_density(0.5, 0.2)) / 3, 1e-12);
  EXPECT_NEAR((*log_prob)[1].item<double>(), (log_density(0.2, 0.0) + log_density(2.0, 1.0) + log_density(0.1, 0.2)) / 3, 1e-12);
}

TEST(DdimLogProb, IsAbsentWhereTheStepIsDeterministic) {
  const VariancePreserving process(plain());
  const auto grid = process.grid(10);
  const State x = {{"x", at::ones({1, 2})}};
  EXPECT_FALSE(ddim_transition(x, x, {process, grid.at(6), grid.at(5)}, 0.0).log_prob(x).has_value());
  EXPECT_FALSE(ddim_transition(x, x, {process, grid.at(1), grid.at(0)}, 1.0).log_prob(x).has_value());
}

TEST(Estimate, UndoesTheNoisingInEveryUnit) {
  for (const auto kind : kPredictions) {
    const VariancePreserving process(plain(kind));
    const auto point = process.grid(10).at(6);
    const auto level = process.level(point.timestep);
    const auto clean = column({0.5, -0.3, 1.2}), noise = column({0.1, 0.7, -2.0});
    const State x = {{"x", clean * level.alpha + noise * level.sigma}};
    const auto abar = column({level.alpha * level.alpha});
    const auto estimate = process.estimate(x, {{"x", answer(kind, x.at("x"), clean, abar)}}, point);
    EXPECT_TRUE(estimate.clean.at("x").allclose(clean, 1e-9, 1e-9));
    EXPECT_TRUE(estimate.noise.at("x").allclose(noise, 1e-9, 1e-9));
  }
}

TEST(Noised, IsTheForwardKernelFromTheLevelReached) {
  const VariancePreserving process(plain());
  const auto reached = process.level(300), to = process.level(700);
  auto draws = draws_of(3, 5), again = draws_of(3, 5);
  const auto x = column({0.5, -0.3, 1.2});
  const double keep = to.alpha / reached.alpha;
  const auto expected = x * keep + again.normals({}, at::kDouble) * std::sqrt(1 - keep * keep);
  EXPECT_TRUE(process.noised({{"x", x}}, reached, to, draws).at("x").allclose(expected, 1e-12, 1e-12));
  EXPECT_THROW(process.noised({{"x", x}}, {0.5, 0.5}, to, draws), StageError);
}

// A loss taken with a network that answers `prediction` everywhere, and what the network was shown.
struct Seen {
  at::Tensor loss, noisy, alpha_bar;
};
Seen loss_of(const VariancePreserving& process, const TrainingBatch& batch, double prediction, std::uint64_t seed = 3) {
  Seen seen;
  auto draws = draws_of(batch.start.at("x").size(0), seed, random::Purpose::training);
  const auto table = column(process.alpha_bars());
  seen.loss = process.loss(
      [&](const State& noisy, const at::Tensor& timestep) {
        seen.noisy = noisy.at("x");
        seen.alpha_bar = table.index_select(0, timestep.to(at::kLong));
        return State{{"x", at::full_like(seen.noisy, prediction)}};
      },
      batch, draws);
  return seen;
}

Level level_at(const VariancePreserving& process, std::size_t timestep) {
  const double abar = process.alpha_bars()[timestep];
  return {std::sqrt(abar), std::sqrt(1 - abar)};
}

TEST(Loss, OfACleanStartIsDiffusersMeanSquaredError) {
  for (const auto kind : kPredictions) {
    const VariancePreserving process(plain(kind));
    const auto start = column({0.5, -0.3, 1.2, 0.0, 2.0, -1.5});  // [6]
    const auto seen = loss_of(process, {{{"x", start}}, {}, {}}, 0.25);
    const auto target = answer(kind, seen.noisy, start, seen.alpha_bar);
    EXPECT_TRUE(seen.loss.allclose((0.25 - target).square(), 1e-9, 1e-12));
  }
}

TEST(Loss, OfAReachedStateIsMethodsForwardFormula) {
  for (const auto kind : kPredictions) {
    const VariancePreserving process(plain(kind));
    const auto start = column({0.5, -0.3, 1.2, 0.0, 2.0, -1.5});
    const auto reached = level_at(process, 300);
    const auto seen = loss_of(process, {{{"x", start}}, reached, reached}, 0.25);
    const double abar_t = process.alpha_bars()[300];
    const auto& abar = seen.alpha_bar;
    const auto rho = abar / abar_t;
    const auto sigma = (1 - rho).sqrt();
    const auto noise = (seen.noisy - rho.sqrt() * start) / sigma;
    const auto eps = ((1 - abar) / (1 - rho)).sqrt() * noise;
    const auto clean = start / std::sqrt(abar_t) - abar.sqrt() * (1 - abar_t) / (abar_t * sigma) * noise;
    const auto target = kind == Prediction::epsilon  ? eps
                        : kind == Prediction::sample ? clean
                                                     : abar.sqrt() * eps - (1 - abar).sqrt() * clean;
    EXPECT_TRUE(seen.loss.allclose((1 - rho) / (1 - abar) * (0.25 - target).square(), 1e-8, 1e-10));
  }
}

TEST(Loss, AveragesOverTheElementsOfAllFields) {
  const VariancePreserving process(plain());
  auto draws = draws_of(2, 3);
  State answers;
  const auto loss = process.loss(
      [&](const State& noisy, const at::Tensor&) {
        State zero;
        for (const auto& [name, value] : noisy) zero[name] = at::zeros_like(value);
        return zero;
      },
      {{{"a", at::zeros({2, 3}, at::kDouble)}, {"b", at::zeros({2}, at::kDouble)}}, {}, {}}, draws);
  auto again = draws_of(2, 3);
  again.integers({}, 1000);
  const auto a = again.normals({3}, at::kDouble);
  const auto b = again.normals({}, at::kDouble);
  EXPECT_TRUE(loss.allclose((a.square().sum(1) + b.square()) / 4));
}

TEST(Loss, TrainsOnlyOnTimestepsStrictlyNoisierUniformly) {
  const VariancePreserving process(plain(Prediction::epsilon, 20));
  const std::int64_t batch = 70000;
  const auto seen = loss_of(process, {{{"x", at::zeros({batch}, at::kDouble)}}, {}, level_at(process, 12)}, 0.0);
  double chi_square = 0.0;
  for (std::size_t s = 0; s < 20; ++s) {
    const auto count = seen.alpha_bar.eq(process.alpha_bars()[s]).sum().item<std::int64_t>();
    if (s <= 12) {
      EXPECT_EQ(count, 0) << s;
    } else {
      chi_square += std::pow(static_cast<double>(count) - 10000.0, 2) / 10000.0;
    }
  }
  EXPECT_LT(chi_square, 22.5);  // 6 degrees of freedom, p = 0.001
}

TEST(Loss, StaysFiniteNextToTheReachedLevel) {
  for (const auto kind : kPredictions) {
    auto config = plain(kind);
    config.beta_end = 0.002;
    const VariancePreserving process(config);
    const auto reached = level_at(process, 998);  // only timestep 999 is noisier: an unweighted target has a variance above 300
    const auto seen = loss_of(process, {{{"x", at::ones({1000})}}, reached, reached}, 0.0);
    EXPECT_LT(seen.loss.mean().item<double>(), 10.0);
  }
}

TEST(Loss, RefusesWhatCannotBeNoised) {
  const VariancePreserving process(plain());
  const State start = {{"x", at::ones({1})}};
  const auto last = level_at(process, 999);
  EXPECT_THAT([&] { loss_of(process, {start, last, last}, 0.0); },
              testing::ThrowsMessage<StageError>(testing::HasSubstr("smaller intermediate_step")));
  EXPECT_THROW(loss_of(process, {start, {}, {0.0, 1.0}}, 0.0), StageError);
  EXPECT_THAT([&] { loss_of(process, {start, {0.5, 0.5}, {}}, 0.0); },
              testing::ThrowsMessage<StageError>(testing::HasSubstr("variance preserving")));
}

}  // namespace
}  // namespace espalier::diffusion
