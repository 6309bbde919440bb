// What training converges to, against closed forms: the regression of the target on the noisy state is linear in this world.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/conformance/conformance.h"
#include "tests/runtime/training/linear_gaussian.h"

namespace espalier::sft {
namespace {

using conformance::Options;

constexpr double kSpread = 0.5;  // of the domain's examples about +1 or -1

Model run(Training& training, const Options& options) {
  return training.run(*conformance::make<Trainer>(conformance::plugin("trainer.sft"), options));
}

Options with(Options options) {
  const Options usual = {{"max_train_steps", 800},   {"train_batch_size", 64}, {"learning_rate", 0.05}, {"lr_scheduler", "cosine"},
                         {"adam_weight_decay", 0.0}, {"max_grad_norm", 0.0},   {"logging_steps", 200}};
  options.insert(usual.begin(), usual.end());
  return options;
}

struct Line {
  double gain = 0.0;
  double offset = 0.0;
};

// The best eps = gain x + offset at abar, for x_0 of this mean and variance.
Line best(double abar, double mean, double variance) {
  const double gain = std::sqrt(1 - abar) / (abar * variance + 1 - abar);
  return {gain, -gain * std::sqrt(abar) * mean};
}

// The same where X_s = sqrt(rho) X_t + sqrt(1 - rho) e is made from states of this mean and variance at abar_t, and the target is
// sqrt((1 - abar_s)/(1 - rho)) e: Cov(target, X_s)/Var(X_s).
Line best_onwards(double abar_s, double abar_t, double mean, double variance) {
  const double rho = abar_s / abar_t;
  const double gain = std::sqrt(1 - abar_s) / (rho * variance + 1 - rho);
  return {gain, -gain * std::sqrt(rho) * mean};
}

struct Moments {
  double mean = 0.0;
  double variance = 0.0;
};

Moments moments(const at::Tensor& x, const std::vector<double>& weight) {
  auto w = at::tensor(weight, at::kDouble);
  w = (w / w.sum()).unsqueeze(1) / static_cast<double>(kElements);
  const double mean = (x * w).sum().item<double>();
  return {mean, ((x - mean).square() * w).sum().item<double>()};
}

Line trained(const Model& model, std::int64_t label, std::int64_t t) {
  return {model.weights.at("unet.gain")[t].item<double>(), model.weights.at("unet.offset")[label][t].item<double>()};
}

void expect_line(const Line& found, const Line& wanted, double tolerance = 0.04) {
  EXPECT_NEAR(found.gain, wanted.gain, tolerance);
  EXPECT_NEAR(found.offset, wanted.offset, tolerance);
}

std::set<std::int64_t> from(std::int64_t first) {
  std::set<std::int64_t> timesteps;
  for (auto t = first; t < kTimesteps; ++t) timesteps.insert(t);
  return timesteps;
}

TEST(SftOnGaussians, PretrainingReachesTheOptimalDenoiserAndItsLoss) {
  Training training;
  const auto model = run(training, with({}));
  double optimal_loss = 0.0;
  for (std::int64_t t = 0; t < kTimesteps; ++t) {
    SCOPED_TRACE(t);
    const double abar = alpha_bars()[static_cast<std::size_t>(t)];
    expect_line(trained(model, 0, t), best(abar, 1.0, kSpread * kSpread));
    expect_line(trained(model, 1, t), best(abar, -1.0, kSpread * kSpread));
    const double signal = abar * kSpread * kSpread;
    optimal_loss += signal / (signal + 1 - abar) / static_cast<double>(kTimesteps);  // Var(eps | x_t)
  }
  EXPECT_NEAR(training.curves.at("loss").at(800), optimal_loss, 0.015);
  EXPECT_GT(training.curves.at("loss").at(200), optimal_loss + 0.015);
  EXPECT_EQ(network_of(training.start).timesteps, from(0));
}

TEST(SftOnGaussians, NullConditionsLearnTheMixture) {
  Training training;
  const auto model = run(training, with({{"conditioning_dropout_prob", 1.0}}));
  for (std::int64_t t = 0; t < kTimesteps; ++t) {  // labels mixed: mean 0, variance 1 + spread^2
    expect_line(trained(model, kEmpty, t), best(alpha_bars()[static_cast<std::size_t>(t)], 0.0, 1.0 + kSpread * kSpread));
    EXPECT_EQ(trained(model, 0, t).offset, 0.0) << "a label that was never trained on";
  }
}

// A grid of 4 steps visits timesteps 9, 6, 3 and 0; with 2 steps left a state has reached that of timestep 3.
TEST(SftOnGaussians, CleanTrainsOnTheSampleAtNoisierStepsOnly) {
  const Accepted accepted(64, 0.3, std::vector<double>(64, 1.0));
  Training training;
  training.selection = &accepted;
  const auto model = run(training, with({{"intermediate_step", 0.5}, {"loss", "clean"}}));
  EXPECT_EQ(network_of(training.start).timesteps, from(4));
  const auto of_sample = moments(accepted.clean, accepted.weight);
  for (std::int64_t t = 0; t < kTimesteps; ++t) {
    SCOPED_TRACE(t);
    const double abar = alpha_bars()[static_cast<std::size_t>(t)];
    expect_line(trained(model, 0, t), t < 4 ? Line{} : best(abar, of_sample.mean, of_sample.variance), t < 4 ? 0.0 : 0.04);
  }
}

TEST(SftOnGaussians, ForwardGoesOnNoisingTheRecordedState) {
  Accepted accepted(64, 0.3, std::vector<double>(64, 1.0));
  accepted.stretch = 1.4;  // not what noising x_0 gives: the two losses have other optima here
  accepted.lift = 0.5;
  Training training;
  training.selection = &accepted;
  const auto model = run(training, with({{"intermediate_step", 2}, {"loss", "forward"}, {"max_train_steps", 1600}}));
  EXPECT_EQ(network_of(training.start).timesteps, from(4));
  const auto recorded = moments(accepted.states(2).at("x"), accepted.weight);
  const auto of_sample = moments(accepted.clean, accepted.weight);
  const auto bars = alpha_bars();
  for (std::int64_t t = 4; t < kTimesteps; ++t) {
    SCOPED_TRACE(t);
    const double abar = bars[static_cast<std::size_t>(t)];
    expect_line(trained(model, 0, t), best_onwards(abar, bars[3], recorded.mean, recorded.variance));
  }
  EXPECT_GT(std::abs(best(bars[6], of_sample.mean, of_sample.variance).offset - trained(model, 0, 6).offset), 0.1)
      << "the test could not tell the two losses apart";
  EXPECT_EQ(trained(model, 0, 3).gain, 0.0);
}

TEST(SftOnGaussians, GraftTrainsOnTheSampleAtEveryStep) {
  const Accepted accepted(64, 0.3, std::vector<double>(64, 1.0));
  std::vector<Hex> digests;
  for (const char* loss : {"clean", "forward"}) {
    Training training;
    training.selection = &accepted;
    digests.push_back(run(training, with({{"loss", loss}, {"max_train_steps", 40}})).info.digest);
    EXPECT_EQ(network_of(training.start).timesteps, from(0));
  }
  EXPECT_EQ(digests[0], digests[1]) << "with no steps left, the recorded state is the sample";
}

TEST(SftOnGaussians, GraftTakesAFinishedSampleAsClean) {
  Accepted accepted(16, 0.3, std::vector<double>(16, 1.0));
  const double abar = alpha_bars().front();  // where set_alpha_to_one = false ends
  accepted.trajectory.points.back().level = {std::sqrt(abar), std::sqrt(1 - abar)};
  for (const char* loss : {"clean", "forward"}) {
    Training training;
    training.selection = &accepted;
    run(training, with({{"loss", loss}, {"max_train_steps", 10}}));
    EXPECT_EQ(network_of(training.start).timesteps, from(0)) << loss;
  }
}

TEST(SftOnGaussians, WeightsOfASelectionCount) {
  std::vector<double> weights;
  for (int i = 0; i < 32; ++i) weights.insert(weights.end(), {3.0, 1.0});  // about +1 and about -1
  const Accepted accepted(64, 0.3, weights);
  Training training;
  training.selection = &accepted;
  const auto model = run(training, with({}));
  const auto weighted = moments(accepted.clean, weights);
  EXPECT_NEAR(weighted.mean, 0.5, 0.05);
  for (std::int64_t t = 0; t < kTimesteps; ++t) {
    SCOPED_TRACE(t);
    expect_line(trained(model, 0, t), best(alpha_bars()[static_cast<std::size_t>(t)], weighted.mean, weighted.variance));
  }
}

TEST(SftOnGaussians, OnlyRatiosOfWeightsCount) {
  std::vector<at::Tensor> gains;
  for (const double scale : {1.0, 8.0}) {
    const Accepted accepted(16, 0.3, std::vector<double>(16, scale));
    Training training;
    training.selection = &accepted;
    gains.push_back(run(training, with({{"max_train_steps", 5}})).weights.at("unet.gain"));
  }
  EXPECT_TRUE(at::equal(gains[0], gains[1]));
}

}  // namespace
}  // namespace espalier::sft
