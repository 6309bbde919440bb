#include <gmock/gmock.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <numbers>

#include "plugins/sampler/flow_sde/rule.h"
#include "runtime/diffusion/rectified_flow.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using diffusion::GridPoint;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(FlowSde, Conforms) {
  check_sampler(plugin("sampler.flow_sde"), {});
  check_sampler(plugin("sampler.flow_sde"), {{"eta", 0.5}, {"guidance_scale", 3.0}});
  check_sampler(plugin("sampler.flow_sde"), {{"eta", 0.0}});
  check_sampler(plugin("sampler.flow_sde"), {{"noise_schedule", "flow_grpo"}, {"guidance_scale", 3.0}});
}

TEST(FlowSde, RefusesAnOptionOfTheOtherNoiseSchedule) {
  EXPECT_THAT(([] { make<Sampler>(plugin("sampler.flow_sde"), {{"noise_schedule", "flow_grpo"}, {"eta", 0.5}})->check(); }),
              ThrowsMessage<ConfigError>(HasSubstr("eta = 0.5 has no effect with noise_schedule = \"flow_grpo\"")));
  EXPECT_THAT(([] { make<Sampler>(plugin("sampler.flow_sde"), {{"noise_level", 0.5}})->check(); }),
              ThrowsMessage<ConfigError>(HasSubstr("noise_level = 0.5 has no effect without")));
}

TEST(FlowSde, HasALawUnlessEtaIsZero) {
  EXPECT_EQ(make<Sampler>(plugin("sampler.flow_sde"), {})->no_transition_law(), "");
  EXPECT_THAT(make<Sampler>(plugin("sampler.flow_sde"), {{"eta", 0.0}})->no_transition_law(), HasSubstr("set eta above 0"));
}

// Data N(kMean, kSpread^2): the exact velocity is linear in the state.
constexpr double kMean = 0.7, kSpread = 0.4;

struct GaussianFlow {
  diffusion::RectifiedFlow process{{}};
  diffusion::Grid grid;
  explicit GaussianFlow(std::int64_t steps) : grid(process.grid(steps)) {}

  // -v: the network's prediction, of E[x_0 | x_t = x] and x = t x_0 + (1 - t) eps.
  static double prediction(double x, double t) {
    const double variance = t * t * kSpread * kSpread + (1 - t) * (1 - t);
    const double clean = kMean + t * kSpread * kSpread / variance * (x - t * kMean);
    return -(clean - (x - t * clean) / (1 - t));
  }

  using Rule = decltype(&flow_sde::transition);
  sampling::Transition step(double x, const GridPoint& from, const GridPoint& to, double noise, Rule rule = flow_sde::transition) const {
    const State state{{"x", at::full({1, 1}, x, at::kDouble)}};
    return rule(state, {{"x", at::full({1, 1}, prediction(x, from.level.alpha), at::kDouble)}}, {process, from, to}, noise);
  }

  // Mean and variance of the samples, exactly: every step is linear in the state and adds independent noise.
  std::pair<double, double> moments(double noise, Rule rule = flow_sde::transition) const {
    double mean = 0.0, variance = 1.0;
    for (auto n = grid.num_steps(); n > 0; --n) {
      const auto at_zero = step(0.0, grid.at(n), grid.at(n - 1), noise, rule), at_one = step(1.0, grid.at(n), grid.at(n - 1), noise, rule);
      const double offset = at_zero.mean.at("x").item<double>(), gain = at_one.mean.at("x").item<double>() - offset;
      mean = gain * mean + offset;
      variance = gain * gain * variance + at_zero.std * at_zero.std;
    }
    return {mean, variance};
  }
};

TEST(FlowSde, WithoutNoiseIsEulersStep) {
  const GaussianFlow flow(10);
  for (std::int64_t n = 10; n > 0; --n) {
    const auto step = flow.step(0.3, flow.grid.at(n), flow.grid.at(n - 1), 0.0);
    EXPECT_EQ(step.std, 0.0);
    EXPECT_NEAR(step.mean.at("x").item<double>(), 0.3 - 0.1 * GaussianFlow::prediction(0.3, flow.grid.at(n).level.alpha), 1e-12) << n;
  }
}

// The samples' law approaches the data's at first order, whatever the noise: at 1,000 steps below 1 % in variance, halving with their
// number.
TEST(FlowSde, MarginalsApproachTheFlows) {
  for (const double eta : {0.0, 0.5, 1.0}) {
    const auto error = [&](std::int64_t steps) { return GaussianFlow(steps).moments(eta).second / (kSpread * kSpread) - 1.0; };
    EXPECT_LT(std::abs(error(1000)), 0.01) << eta;
    EXPECT_NEAR(error(2000) / error(1000), 0.5, 0.05) << eta;
    EXPECT_NEAR(GaussianFlow(1000).moments(eta).first, kMean, 0.002) << eta;
  }
}

// How far the variance of the samples is from the data's at few steps, as a recursion of the same formulas in Python gives it. The samples
// of all three vary too little; Flow-GRPO's noise makes up for most of what Euler's steps lose, the posterior's adds to it.
TEST(FlowSde, VarianceAtFewStepsOfEveryNoise) {
  const auto error = [](std::int64_t steps, double noise, GaussianFlow::Rule rule) {
    return GaussianFlow(steps).moments(noise, rule).second / (kSpread * kSpread) - 1.0;
  };
  EXPECT_NEAR(error(10, 0.0, flow_sde::transition), -0.2812, 1e-4);
  EXPECT_NEAR(error(10, 1.0, flow_sde::transition), -0.4287, 1e-4);
  EXPECT_NEAR(error(10, 0.7, flow_sde::flow_grpo_transition), -0.0935, 1e-4);
  EXPECT_NEAR(error(40, 0.7, flow_sde::flow_grpo_transition), -0.0162, 1e-4);
  EXPECT_NEAR(error(2000, 0.7, flow_sde::flow_grpo_transition), 0.0025, 1e-4) << "its first steps are coarse however many there are";
}

// Fresh noise is what eta says: at 1 the variance of x' given x_0 and x_t of the flow's own forward process.
TEST(FlowSde, NoiseIsThatOfTheForwardPosterior) {
  const GaussianFlow flow(8);
  for (std::int64_t n = 7; n > 1; --n) {
    const double t = flow.grid.at(n).level.alpha, next = flow.grid.at(n - 1).level.alpha;
    // x_t = (t/t') x' + s e with s^2 = (1 - t)^2 - (t (1 - t')/t')^2; x' given x_0 has variance (1 - t')^2: Bayes.
    const double ratio = t / next, added = (1 - t) * (1 - t) - ratio * ratio * (1 - next) * (1 - next);
    const double posterior = 1.0 / (1.0 / ((1 - next) * (1 - next)) + ratio * ratio / added);
    EXPECT_NEAR(std::pow(flow.step(0.1, flow.grid.at(n), flow.grid.at(n - 1), 1.0).std, 2), posterior, 1e-12) << n;
    EXPECT_NEAR(flow.step(0.1, flow.grid.at(n), flow.grid.at(n - 1), 0.25).std, 0.25 * std::sqrt(posterior), 1e-12) << n;
  }
}

TEST(FlowSde, DensityIsTheNormalsAndTheLastStepHasNone) {
  const GaussianFlow flow(8);
  const auto step = flow.step(0.1, flow.grid.at(5), flow.grid.at(4), 1.0);
  const double z = (0.9 - step.mean.at("x").item<double>()) / step.std;
  const auto density = step.log_prob({{"x", at::full({1, 1}, 0.9, at::kDouble)}});
  ASSERT_TRUE(density);
  EXPECT_NEAR(density->item<double>(), -0.5 * z * z - std::log(step.std * std::sqrt(2 * std::numbers::pi)), 1e-12);
  EXPECT_FALSE(flow.step(0.1, flow.grid.at(1), flow.grid.at(0), 1.0).log_prob({{"x", at::full({1, 1}, 0.9, at::kDouble)}}));
}

}  // namespace
}  // namespace espalier::conformance
