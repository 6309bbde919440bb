#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "plugins/trainer/ddpo/advantages.h"
#include "plugins/trainer/ddpo/policy_world.h"
#include "runtime/base/errors.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/training/convolutions.h"

namespace espalier::ddpo {
namespace {

using conformance::Options, conformance::TrainsOn;
using testing::AllOf, testing::HasSubstr, testing::SizeIs, testing::ThrowsMessage;

PluginEntry entry() { return conformance::plugin("trainer.ddpo"); }

Options with(Options options, const Options& usual) {
  options.insert(usual.begin(), usual.end());
  return options;
}

const Options kSixUpdates = {{"max_train_steps", 6}, {"train_batch_size", 2}, {"learning_rate", 0.01}};

TEST(Ddpo, Conforms) {
  conformance::check_trainer(entry(), kSixUpdates, TrainsOn::scores);
  conformance::check_trainer(entry(), with({{"checkpointing_steps", 4}, {"advantage_min_count", 2}, {"train_batch_size", 1}}, kSixUpdates),
                             TrainsOn::scores);
}

TEST(Ddpo, ConformsWithAnAdapter) {
  const auto domain = conformance::toy_domain();
  const Options lora = {{"rank", 2}, {"lora_alpha", 3.0}, {"target_modules", Value::List{"conv_in", "conv_out", "time"}}};
  conformance::check_trainer(entry(), with(lora, kSixUpdates), TrainsOn::scores, *domain, sft::convolutions());
}

TEST(Ddpo, ReadsBothStatesOfEveryStep) {
  const auto inputs = conformance::inputs_of(entry());
  EXPECT_THAT(inputs.at("scores").recorded_steps(6), SizeIs(6)) << "0 to 5; the noise is drawn again";
  EXPECT_TRUE(inputs.at("scores").transitions.has_value());
  EXPECT_FALSE(inputs.at("reference").required);
  EXPECT_TRUE(conformance::inputs_of(entry(), {{"kl_coefficient", 0.1}}).at("reference").required);
}

TEST(Ddpo, TrainsFlowsToo) {
  const auto domain = conformance::toy_domain();
  conformance::check_trainer(entry(), kSixUpdates, TrainsOn::scores, *domain, conformance::toy_model(1, "rectified_flow"));
}

TEST(Ddpo, RefusesGroupsOfOne) {
  const auto model = offset_model();
  Training training;
  EXPECT_THAT(([&] { training.train({{"advantage_statistics", "group"}}, model, sample(model, 8, 1, 8).selection); }),
              ThrowsMessage<ConfigError>(HasSubstr("needs two samples of a condition, and each has one")));
}

TEST(Ddpo, KeepsTheStepsThatItsModelIsFor) {
  auto start = offset_model().info;
  start.last_step = Step(0.25);
  const auto planned = conformance::make<Trainer>(entry())->trained_info(start, nullptr, std::nullopt);
  EXPECT_EQ(planned->last_step, Step(0.25));
}

// AdamW's step from given moments, by hand (Loshchilov and Hutter 2019, algorithm 2).
double adamw(double weight, double gradient, double first, double second, double step, double rate, double decay) {
  first = 0.9 * first + 0.1 * gradient;
  second = 0.999 * second + 0.001 * gradient * gradient;
  const double first_hat = first / (1 - std::pow(0.9, step)), second_hat = second / (1 - std::pow(0.999, step));
  return weight * (1 - rate * decay) - rate * first_hat / (std::sqrt(second_hat) + 1e-8);
}

TEST(Ddpo, GoesOnFromTheOptimizerOfTheRoundBefore) {
  const Options options = {{"max_train_steps", 1}, {"train_batch_size", 64}, {"max_grad_norm", 0.0}, {"learning_rate", 0.02}};
  const auto start = offset_model();
  Training one, two, fresh;
  const auto first = one.train(options, start, sample(start, 64, 1).selection);
  const auto again = sample(first.model, 64, 2);
  auto windowless = options;  // so that the windows of the first round do not change the gradient
  windowless["advantage_window"] = 0;
  const auto resumed = two.train(windowless, first.model, again.selection, &first.state);
  const auto anew = fresh.train(windowless, first.model, again.selection);
  EXPECT_FALSE(at::equal(resumed.model.weights.at("unet.offset"), anew.model.weights.at("unet.offset")));
  EXPECT_EQ(resumed.state.at("optimizer.unet.offset.step").item<double>(), 2);
  const auto gradient = gradient_of(anew);
  for (const std::int64_t t : {9, 6, 3}) {
    const auto at_t = [t](const at::Tensor& tensor) { return tensor[t].item<double>(); };
    const double wanted =
        adamw(at_t(first.model.weights.at("unet.offset")), at_t(gradient), at_t(first.state.at("optimizer.unet.offset.exp_avg")),
              at_t(first.state.at("optimizer.unet.offset.exp_avg_sq")), 2, 0.02, 1e-4);
    EXPECT_NEAR(at_t(resumed.model.weights.at("unet.offset")), wanted, 1e-6);
  }
}

// With one update every ratio is 1, so that the loss is minus the mean advantage.
TEST(Ddpo, MeasuresAdvantagesInWindowsThatAreHandedOn) {
  const Options options = {{"max_train_steps", 1}, {"train_batch_size", 64}, {"advantage_window", 6}, {"advantage_min_count", 5}};
  const auto model = offset_model();
  const auto reward = [](std::int64_t i) { return static_cast<double>(i * i % 7); };
  const auto shifted = [&](std::int64_t i) { return reward(i) + 2.0; };
  Training one, two;
  const auto first = one.train(options, model, sample(model, 8, 1, 2, reward).selection);  // 4 of each condition: fewer than 5
  EXPECT_NEAR(one.curves.at("loss").at(1), 0.0, 1e-6) << "advantages relative to the batch have mean 0";
  const auto second = two.train(options, model, sample(model, 8, 2, 2, shifted).selection, &first.state);
  double loss = 0.0;
  for (const std::int64_t condition : {0, 1}) {
    std::vector<double> window;  // the newest 6 of 8
    for (const std::int64_t i : {4, 6}) window.push_back(reward(i + condition));
    for (const std::int64_t i : {0, 2, 4, 6}) window.push_back(shifted(i + condition));
    const double mean = std::accumulate(window.begin(), window.end(), 0.0) / 6;
    double squares = 0.0;
    for (const auto one_reward : window) squares += (one_reward - mean) * (one_reward - mean);
    for (std::size_t i = 2; i < 6; ++i) loss -= (window[i] - mean) / (std::sqrt(squares / 6) + 1e-6) / 8;
  }
  EXPECT_GT(std::abs(loss), 0.1);
  EXPECT_NEAR(two.curves.at("loss").at(1), loss, 1e-5);
  const auto windows = windows_of(second.state);
  EXPECT_THAT(windows, SizeIs(2));
  for (const auto& [condition, rewards] : windows) EXPECT_THAT(rewards, SizeIs(6));
}

TEST(Ddpo, ClipsAdvantages) {
  const auto model = offset_model();
  const auto one_of_64 = [](std::int64_t i) { return i == 0 ? 1.0 : 0.0; };  // its advantage is sqrt(63) = 7.9
  const auto loss = [&](double most) {
    Training training;
    training.train({{"max_train_steps", 1}, {"train_batch_size", 64}, {"advantage_window", 0}, {"adv_clip_max", most}}, model,
                   sample(model, 64, 1, 1, one_of_64).selection);
    return training.curves.at("loss").at(1);
  };
  EXPECT_NEAR(loss(100.0), 0.0, 1e-6);
  EXPECT_NEAR(loss(5.0), -(5.0 - std::sqrt(63.0)) / 64, 1e-5);
}

TEST(Ddpo, RefusesWhatItCannotTrain) {
  const auto model = offset_model();
  const auto sampled = sample(model, 3, 1);
  const auto train = [&](const Options& options) {
    return [&, options] {
      Training training;
      training.train(options, model, sampled.selection);
    };
  };
  EXPECT_THAT(train({{"max_train_steps", 4}}),
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("max_train_steps = 4"), HasSubstr("3 have a finite score"))));
  EXPECT_THAT([] { conformance::make<Trainer>(entry(), {{"advantage_window", 8}})->check(); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("advantage_min_count = 16"), HasSubstr("advantage_window = 8"))));
  EXPECT_THAT(train({{"train_components", Value::List{"transformer"}}}),
              ThrowsMessage<ConfigError>(HasSubstr("the model's components are: unet")));
  const auto trainer = conformance::make<Trainer>(entry());
  auto other = model.info;
  other.digest = sha256("another");
  EXPECT_NO_THROW(trainer->check_sampling(model.info, {other, model.info}));
  EXPECT_THAT([&] { trainer->check_sampling(model.info, {other}); },
              ThrowsMessage<ConfigError>(HasSubstr("a policy gradient is of the policy that sampled")));
}

TEST(Ddpo, RefusesASamplerWhoseOnlyStepAddsNoNoise) {
  const auto model = offset_model();
  auto sampled = sample(model, 4, 1);
  sampled.selection.sampling.phase.segments = {{model.info, 1, 0, {}}};
  Training training;
  EXPECT_THAT([&] { training.train({}, model, sampled.selection); },
              ThrowsMessage<ConfigError>(HasSubstr("no step of the model has a density")));
}

}  // namespace
}  // namespace espalier::ddpo
