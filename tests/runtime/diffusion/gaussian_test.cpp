// Gaussian data with its linear optimal denoiser: everything in closed form.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <array>
#include <numbers>

#include "runtime/sampling/transition.h"
#include "tests/runtime/diffusion/support.h"

namespace espalier::diffusion {
namespace {

using sampling::ddim_transition;

struct Gaussian {
  double mean = 0.0;
  double variance = 1.0;
};
constexpr Gaussian kData{0.5, 0.3};
constexpr std::int64_t kElements = 1000;  // independent scalars a state: fewer random blocks than a state each

// E[x_0 | x_t] of Gaussian data, as the network of a process answers it.
at::Tensor optimal(Prediction kind, const at::Tensor& x, double alpha_bar, Gaussian data = kData) {
  const double gain = std::sqrt(alpha_bar) * data.variance / (alpha_bar * data.variance + 1 - alpha_bar);
  return answer(kind, x, (x - std::sqrt(alpha_bar) * data.mean) * gain + data.mean, column({alpha_bar}));
}

double alpha_bar_at(const VariancePreserving& process, const GridPoint& point) {
  return process.alpha_bars()[static_cast<std::size_t>(point.timestep)];
}

// The law of the samples: every step is affine in x, so two states determine it.
Gaussian sampled_law(const VariancePreserving& process, Prediction kind, std::int64_t steps, double eta) {
  const auto grid = process.grid(steps);
  Gaussian law;  // the prior
  for (std::int64_t n = steps; n > 0; --n) {
    const auto x = column({0.0, 1.0});
    const auto [mean, std] = ddim_transition({{"x", x}}, {{"x", optimal(kind, x, alpha_bar_at(process, grid.at(n)))}},
                                             {process, grid.at(n), grid.at(n - 1)}, eta);
    const double intercept = mean.at("x")[0].item<double>();
    const double slope = mean.at("x")[1].item<double>() - intercept;
    law = {slope * law.mean + intercept, slope * slope * law.variance + std * std};
  }
  return law;
}

class GaussianOracle : public OneThread {};

TEST_F(GaussianOracle, SamplesTendToTheDatasMomentsAsStepsGrow) {
  for (const auto kind : {Prediction::epsilon, Prediction::v_prediction, Prediction::sample}) {
    const VariancePreserving process(plain(kind));
    for (const double eta : {0.0, 1.0}) {
      const auto coarse = sampled_law(process, kind, 100, eta);
      const auto fine = sampled_law(process, kind, 1000, eta);
      EXPECT_NEAR(fine.mean, kData.mean, 6e-3);
      EXPECT_NEAR(fine.variance, kData.variance, 6e-3);
      EXPECT_LT(std::abs(fine.variance - kData.variance), std::abs(coarse.variance - kData.variance) / 5);
    }
  }
}

TEST_F(GaussianOracle, SamplesAndLogProbabilitiesHaveTheirLaw) {
  const auto kind = Prediction::v_prediction;
  const VariancePreserving process(plain(kind));
  const auto grid = process.grid(50);
  const std::int64_t count = 200000;
  auto draws = draws_of(count / kElements, 11);
  State x = process.prior({{"x", {{kElements}, at::kDouble}}}, {}, draws);
  for (std::int64_t n = 50; n > 0; --n) {
    draws.begin(static_cast<std::uint32_t>(51 - n));
    const State prediction = {{"x", optimal(kind, x.at("x"), alpha_bar_at(process, grid.at(n)))}};
    const auto transition = ddim_transition(x, prediction, {process, grid.at(n), grid.at(n - 1)}, 1.0);
    const auto next = transition.draw(draws);
    const auto log_prob = transition.log_prob(next);
    ASSERT_EQ(log_prob.has_value(), n > 1);
    if (log_prob) {  // minus a Gaussian's entropy
      const double std = transition.std;
      EXPECT_NEAR(log_prob->mean().item<double>(), -0.5 * std::log(2 * std::numbers::pi * std::numbers::e * std * std), 0.008);
    }
    x = next;
  }
  const auto law = sampled_law(process, kind, 50, 1.0);
  const double error = std::sqrt(law.variance / static_cast<double>(count));  // of the mean
  EXPECT_NEAR(x.at("x").mean().item<double>(), law.mean, 4 * error);
  EXPECT_NEAR(x.at("x").var().item<double>(), law.variance, 4 * law.variance * std::sqrt(2.0 / static_cast<double>(count)));
}

// A schedule whose noisiest timestep, the only one allowed in these tests, still shows the data.
SchedulerConfig short_schedule(Prediction kind) {
  auto config = plain(kind, 20);
  config.beta_start = 0.01;
  config.beta_end = 0.1;
  return config;
}

// The slope and intercept that minimise the loss among networks linear in x: one Newton step from zero, exact for a quadratic.
std::array<double, 2> minimiser(const VariancePreserving& process, const TrainingBatch& batch) {
  const auto gradient_at = [&](double slope, double intercept) {
    auto parameters = column({slope, intercept}).requires_grad_(true);
    auto draws = draws_of(batch.start.at("x").size(0), 23, random::Purpose::training);
    process
        .loss([&](const State& noisy, const at::Tensor&) { return State{{"x", noisy.at("x") * parameters[0] + parameters[1]}}; }, batch,
              draws)
        .mean()
        .backward();
    return std::array<double, 2>{parameters.grad()[0].item<double>(), parameters.grad()[1].item<double>()};
  };
  const auto g = gradient_at(0, 0);
  const auto h1 = gradient_at(1, 0);
  const auto h2 = gradient_at(0, 1);
  const double a = h1[0] - g[0], b = h2[0] - g[0], c = h2[1] - g[1];
  const double determinant = a * c - b * b;
  return {(-g[0] * c + g[1] * b) / determinant, (-g[1] * a + g[0] * b) / determinant};
}

// What the loss's minimiser must be when X_s ~ N(mean, variance) is known in closed form: Tweedie's formula.
void expect_tweedie(const VariancePreserving& process, Prediction kind, const TrainingBatch& batch, Gaussian noisy) {
  const double abar = process.alpha_bars().back();
  const auto x = column({0.0, 1.0});
  const auto eps = (x - noisy.mean) * (std::sqrt(1 - abar) / noisy.variance);
  const auto clean = (x - eps * std::sqrt(1 - abar)) / std::sqrt(abar);
  const auto expected = answer(kind, x, clean, column({abar}));
  const auto found = minimiser(process, batch);
  EXPECT_NEAR(found[1], expected[0].item<double>(), 0.012);
  EXPECT_NEAR(found[0], (expected[1] - expected[0]).item<double>(), 0.012);
}

at::Tensor normal_sample(Gaussian law, std::int64_t count) {
  return draws_of(count / kElements, 77).normals({kElements}, at::kDouble) * std::sqrt(law.variance) + law.mean;
}

TEST_F(GaussianOracle, ForwardLossHasTheClosedFormMinimiser) {
  for (const auto kind : {Prediction::epsilon, Prediction::v_prediction, Prediction::sample}) {
    const VariancePreserving process(short_schedule(kind));
    const double abar_t = process.alpha_bars()[10];
    const double rho = process.alpha_bars().back() / abar_t;
    const Gaussian accepted{0.8, 0.15};  // not what the data's forward process would give at t
    const auto& near_last = process.alpha_bars()[18];
    const TrainingBatch batch{{{"x", normal_sample(accepted, 400000)}},
                              {std::sqrt(abar_t), std::sqrt(1 - abar_t)},
                              {std::sqrt(near_last), std::sqrt(1 - near_last)}};
    expect_tweedie(process, kind, batch, {std::sqrt(rho) * accepted.mean, rho * accepted.variance + 1 - rho});
  }
}

TEST_F(GaussianOracle, CleanLossHasTheClosedFormMinimiser) {
  for (const auto kind : {Prediction::epsilon, Prediction::v_prediction, Prediction::sample}) {
    const VariancePreserving process(short_schedule(kind));
    const double abar = process.alpha_bars().back();
    const auto& near_last = process.alpha_bars()[18];
    const TrainingBatch batch{{{"x", normal_sample(kData, 400000)}}, {}, {std::sqrt(near_last), std::sqrt(1 - near_last)}};
    expect_tweedie(process, kind, batch, {std::sqrt(abar) * kData.mean, abar * kData.variance + 1 - abar});
  }
}

}  // namespace
}  // namespace espalier::diffusion
