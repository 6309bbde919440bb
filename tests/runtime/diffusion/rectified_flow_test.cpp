#include "runtime/diffusion/rectified_flow.h"

#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/shared/flow/solver.h"
#include "runtime/base/errors.h"
#include "tests/runtime/diffusion/flow_oracle.h"
#include "tests/runtime/diffusion/support.h"

namespace espalier::diffusion {
namespace {

using flow_oracle::Gaussian;
using flow_oracle::Line;
using testing::HasSubstr;
using testing::ThrowsMessage;

const RectifiedFlow kFlow{FlowConfig{}};

TEST(FlowGrid, HasEqualStepsFromNoiseToData) {
  const auto grid = kFlow.grid(7);
  for (std::int64_t k = 0; k <= 7; ++k) {
    const auto& point = grid.at(7 - k);
    EXPECT_EQ(point.level.alpha, static_cast<double>(k) / 7.0);
    EXPECT_NEAR(point.level.sigma, 1.0 - point.level.alpha, 1e-15);
    EXPECT_NEAR(point.timestep, 1000 * (1 - point.level.alpha), 1e-12);
  }
  EXPECT_EQ(grid.at(0).level.alpha, 1.0);
  EXPECT_EQ(grid.at(0).level.sigma, 0.0);
  EXPECT_THROW(kFlow.grid(0), ConfigError);
}

TEST(FlowStep, GoesAgainstThePredictionAndDrawsNothing) {
  const auto grid = kFlow.grid(4);
  const auto x = column({0.5, -1.0}), prediction = column({0.2, 0.4});
  auto draws = draws_of(2, 1), untouched = draws_of(2, 1);
  const auto next = flow::make_solver("euler")->step({{"x", x}}, {{"x", prediction}}, {{kFlow, grid.at(4), grid.at(2)}, draws, {}}).at("x");
  EXPECT_TRUE(next.allclose(x - 0.5 * prediction, 1e-12, 1e-12));
  EXPECT_TRUE(draws.uniforms({}).equal(untouched.uniforms({})));
}

TEST(FlowEstimate, UndoesTheNoising) {
  const auto point = kFlow.grid(4).at(3);
  const auto clean = column({0.5, -1.0}), noise = column({0.2, 0.4});
  const auto level = kFlow.level(point.timestep);
  EXPECT_EQ(level.alpha, point.level.alpha);
  const State x = {{"x", clean * level.alpha + noise * level.sigma}};
  const auto estimate = kFlow.estimate(x, {{"x", noise - clean}}, point);
  EXPECT_TRUE(estimate.clean.at("x").allclose(clean, 1e-12, 1e-12));
  EXPECT_TRUE(estimate.noise.at("x").allclose(noise, 1e-12, 1e-12));
}

TEST(FlowNoised, IsTheForwardKernelFromTheTimeReached) {
  auto draws = draws_of(2, 5), again = draws_of(2, 5);
  const auto x = column({0.5, -1.0});
  const double t = 0.6, s = 0.3;
  const auto expected = x * (s / t) + again.normals({}, at::kDouble) * std::sqrt((1 - s) * (1 - s) - std::pow(s * (1 - t) / t, 2));
  EXPECT_TRUE(kFlow.noised({{"x", x}}, {t, 1 - t}, {s, 1 - s}, draws).at("x").allclose(expected, 1e-12, 1e-12));
  EXPECT_THROW(kFlow.noised({{"x", x}}, {0.6, 0.8}, {s, 1 - s}, draws), StageError);
}

TEST(FlowPrior, IsTheDrawsOwnNormals) {
  auto draws = draws_of(3, 5), again = draws_of(3, 5);
  const auto state = kFlow.prior({{"a", {{2}, at::kFloat}}, {"b", {{1, 2}, at::kDouble}}}, {}, draws);
  EXPECT_TRUE(state.at("a").equal(again.normals({2})));
  EXPECT_TRUE(state.at("b").equal(again.normals({1, 2}, at::kDouble)));
}

// The affine map that Euler's steps of the optimal velocity make of the noise.
Line euler_map(Gaussian data, std::int64_t steps) {
  const auto grid = kFlow.grid(steps);
  const auto euler = flow::make_solver("euler");
  auto draws = draws_of(2, 0);
  auto x = column({0.0, 1.0});
  for (std::int64_t n = steps; n > 0; --n) {
    const auto v = flow_oracle::velocity(data, grid.at(n).level.alpha);
    x = euler->step({{"x", x}}, {{"x", -(x * v.gain + v.offset)}}, {{kFlow, grid.at(n), grid.at(n - 1)}, draws, {}}).at("x");
  }
  return {(x[1] - x[0]).item<double>(), x[0].item<double>()};
}

// Data that is the noise's own law is still scaled, by the product of 1 + h (2t-1)/((1-t)^2 + t^2) over the steps.
TEST(FlowOfGaussians, EulerScalesNoiseByTheKnownProduct) {
  for (const auto& [steps, expected] : std::initializer_list<std::pair<std::int64_t, double>>{{5, 0.77}, {10, 0.88}, {20, 0.94}}) {
    double product = 1.0;
    for (std::int64_t k = 0; k < steps; ++k) {
      const double h = 1.0 / static_cast<double>(steps), t = h * static_cast<double>(k);
      product *= 1 + h * (2 * t - 1) / ((1 - t) * (1 - t) + t * t);
    }
    const auto map = euler_map({0.0, 1.0}, steps);
    EXPECT_NEAR(map.gain, product, 1e-12);
    EXPECT_NEAR(map.gain, expected, 0.005);
    EXPECT_EQ(map.offset, 0.0);
  }
}

// The exact flow maps N(0, 1) onto N(m, s^2) by m + s x; the mean moves on a straight line, which any step size follows.
TEST(FlowOfGaussians, EulerIsOfFirstOrder) {
  const auto coarse = euler_map({0.5, 0.36}, 100), fine = euler_map({0.5, 0.36}, 200);
  EXPECT_NEAR(std::abs(coarse.gain - 0.6) / std::abs(fine.gain - 0.6), 2.0, 0.1);
  EXPECT_LT(std::abs(fine.gain - 0.6), 0.01);
  EXPECT_NEAR(coarse.offset, 0.5, 1e-12);
}

// A loss with a network that answers `prediction` everywhere; what the network was shown; and the same draws taken again.
struct Seen {
  at::Tensor loss, noisy, timestep, s, noise;
};
Seen loss_of(const TrainingBatch& batch, double prediction, std::uint64_t seed = 3) {
  Seen seen;
  const auto& start = batch.start.at("x");
  auto draws = draws_of(start.size(0), seed, random::Purpose::training), again = draws_of(start.size(0), seed, random::Purpose::training);
  const auto predict = [&](const State& noisy, const at::Tensor& timestep) {
    seen.noisy = noisy.at("x");
    seen.timestep = timestep;
    return State{{"x", at::full_like(seen.noisy, prediction)}};
  };
  seen.loss = kFlow.loss(predict, batch, draws);
  seen.s = again.uniforms({}) * std::min(batch.reached.alpha, batch.noisier_than.alpha);
  seen.noise = again.normals({}, at::kDouble);
  return seen;
}

Level at_time(double t) { return {t, 1 - t}; }

TEST(FlowLoss, OfACleanStartIsTheMeanSquaredErrorOfTheVelocity) {
  const auto start = column({0.5, -0.3, 1.2, 0.0, 2.0, -1.5});
  const auto seen = loss_of({{{"x", start}}, {}, {}}, 0.25);
  EXPECT_TRUE(seen.noisy.allclose((1 - seen.s) * seen.noise + seen.s * start, 1e-12, 1e-12));
  EXPECT_TRUE(seen.timestep.equal((1000 * (1 - seen.s)).to(at::kFloat)));
  EXPECT_TRUE(seen.loss.allclose((-0.25 - (start - seen.noise)).square(), 1e-12, 1e-12));  // v is minus the prediction
}

TEST(FlowLoss, OfAReachedStateIsMethodsForwardFormula) {
  const auto start = column({0.5, -0.3, 1.2, 0.0, 2.0, -1.5});
  const double t = 0.6;
  const auto seen = loss_of({{{"x", start}}, at_time(t), at_time(t)}, 0.25);
  const auto& s = seen.s;
  const auto sigma = ((1 - s).square() - (s * (1 - t) / t).square()).sqrt();
  const auto d = (1 - s) + s * (1 - t) * (1 - t) / (t * t);
  EXPECT_TRUE(seen.noisy.allclose(s / t * start + sigma * seen.noise, 1e-9, 1e-9));
  EXPECT_TRUE(seen.timestep.equal((1000 * (1 - s)).to(at::kFloat)));
  const auto velocity = start / t - d / sigma * seen.noise;
  EXPECT_TRUE(seen.loss.allclose((sigma / d).square() * (-0.25 - velocity).square(), 1e-8, 1e-9));
}

TEST(FlowLoss, AveragesOverTheElementsOfAllFields) {
  auto draws = draws_of(2, 3), again = draws_of(2, 3);
  const auto zeros = [](const State& noisy, const at::Tensor&) {
    State zero;
    for (const auto& [name, value] : noisy) zero[name] = at::zeros_like(value);
    return zero;
  };
  const auto loss = kFlow.loss(zeros, {{{"a", at::zeros({2, 3}, at::kDouble)}, {"b", at::zeros({2}, at::kDouble)}}, {}, {}}, draws);
  again.uniforms({});
  const auto a = again.normals({3}, at::kDouble);
  const auto b = again.normals({}, at::kDouble);
  EXPECT_TRUE(loss.allclose((a.square().sum(1) + b.square()) / 4));
}

TEST(FlowLoss, TrainsOnEarlierTimesUniformly) {
  const std::int64_t batch = 70000;
  const auto seen = loss_of({{{"x", at::zeros({batch}, at::kDouble)}}, {}, at_time(0.7)}, 0.0);
  const auto time = 1 - seen.timestep.to(at::kDouble) / 1000;
  EXPECT_LT(time.max().item<double>(), 0.7);
  double chi_square = 0.0;
  for (int bin = 0; bin < 7; ++bin) {
    const auto count = (time / 0.1).floor().eq(bin).sum().item<double>();
    chi_square += std::pow(count - 10000.0, 2) / 10000.0;
  }
  EXPECT_LT(chi_square, 22.5);  // 6 degrees of freedom, p = 0.001
}

// Some of these times are within 1e-5 of t, where an unweighted target would be a thousand times larger.
TEST(FlowLoss, StaysFiniteNextToTheReachedTime) {
  const auto seen = loss_of({{{"x", at::ones({200000}, at::kDouble)}}, at_time(0.5), at_time(0.5)}, 0.0);
  EXPECT_GT(seen.s.max().item<double>(), 0.49999);
  EXPECT_LT(seen.loss.max().item<double>(), 100.0);
  EXPECT_TRUE(seen.loss.isfinite().all().item<bool>());
}

TEST(FlowLoss, RefusesWhatCannotBeNoised) {
  const State start = {{"x", at::ones({1})}};
  EXPECT_THAT([&] { loss_of({start, {}, at_time(0.0)}, 0.0); }, ThrowsMessage<StageError>(HasSubstr("smaller intermediate_step")));
  EXPECT_THAT([&] { loss_of({start, {0.6, 0.8}, {}}, 0.0); }, ThrowsMessage<StageError>(HasSubstr("rectified flow")));
}

// The gain and offset that minimise the loss: one Newton step from zero, exact for a quadratic.
Line minimiser(const TrainingBatch& batch) {
  const auto gradient_at = [&](double gain, double offset) {
    auto line = column({gain, offset}).requires_grad_(true);
    auto draws = draws_of(batch.start.at("x").size(0), 23, random::Purpose::training);
    const auto predict = [&](const State& noisy, const at::Tensor&) { return State{{"x", noisy.at("x") * line[0] + line[1]}}; };
    kFlow.loss(predict, batch, draws).mean().backward();
    return std::pair{line.grad()[0].item<double>(), line.grad()[1].item<double>()};
  };
  const auto g = gradient_at(0, 0), first = gradient_at(1, 0), second = gradient_at(0, 1);
  const double a = first.first - g.first, b = second.first - g.first, c = second.second - g.second;
  const double determinant = a * c - b * b;
  return {(-g.first * c + g.second * b) / determinant, (-g.second * a + g.first * b) / determinant};
}

// One time is drawn for each state, so that many states of few elements give a smaller error than few of many.
at::Tensor normal_sample(Gaussian law) { return draws_of(100000, 77).normals({4}, at::kDouble) * std::sqrt(law.variance) + law.mean; }

class FlowMinimiser : public OneThread {};

void expect_line(const Line& found, const Line& expected) {
  EXPECT_NEAR(found.gain, expected.gain, 0.012);
  EXPECT_NEAR(found.offset, expected.offset, 0.012);
}

TEST_F(FlowMinimiser, OfTheCleanLossIsTheClosedForm) {
  const Gaussian data{0.8, 0.15};
  expect_line(minimiser({{{"x", normal_sample(data)}}, {}, {}}), flow_oracle::best_prediction(data, 1.0, 1.0));
  expect_line(minimiser({{{"x", normal_sample(data)}}, {}, at_time(0.5)}), flow_oracle::best_prediction(data, 1.0, 0.5));
}

TEST_F(FlowMinimiser, OfTheForwardLossIsTheClosedForm) {
  const Gaussian accepted{0.6, 0.5};  // not what noising clean data would give
  const auto expected = flow_oracle::best_prediction(accepted, 0.7, 0.7);
  expect_line(minimiser({{{"x", normal_sample(accepted)}}, at_time(0.7), at_time(0.7)}), expected);
  EXPECT_GT(std::abs(expected.gain - flow_oracle::best_prediction(accepted, 1.0, 0.7).gain), 0.05)
      << "the test could not tell the losses apart";
}

// Where X_t comes from clean data by the forward process, both losses have one optimum: E[v | X_s], at every s.
TEST_F(FlowMinimiser, OfBothLossesIsOneWhereTheForwardProcessMadeTheState) {
  const Gaussian data{0.8, 0.15};
  const double t = 0.6, narrow = 1e-3;  // sampling times so early that the best line hardly changes over them
  const Gaussian noised{t * data.mean, t * t * data.variance + (1 - t) * (1 - t)};
  const auto forward = flow_oracle::best_prediction(noised, t, narrow), clean = flow_oracle::best_prediction(data, 1.0, narrow);
  const auto v = flow_oracle::velocity(data, narrow / 2);
  EXPECT_NEAR(forward.gain, clean.gain, 1e-3);
  EXPECT_NEAR(forward.offset, clean.offset, 1e-3);
  EXPECT_NEAR(forward.gain, -v.gain, 1e-3);
  EXPECT_NEAR(forward.offset, -v.offset, 1e-3);
}

}  // namespace
}  // namespace espalier::diffusion
