// trainer.sft with reward_temperature: what a sample's weight is.
#include "plugins/trainer/sft/reward_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/conformance/conformance.h"
#include "tests/runtime/training/linear_gaussian.h"

namespace espalier::sft {
namespace {

using conformance::Options, conformance::TrainsOn;
using testing::AllOf, testing::DoubleNear, testing::ElementsAre, testing::HasSubstr, testing::Pointwise, testing::ThrowsMessage;

PluginEntry entry() { return conformance::plugin("trainer.sft"); }

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// softmax([1, 3] / 2) = [1, e] / (1 + e); of condition 9 softmax([0, 0, 2 log 2] / 2) = [1, 1, 2] / 4.
TEST(RewardWeights, AreASoftmaxWithinEachConditionWithTheMeanOne) {
  const double e = std::exp(1.0);
  const auto weight = weights_by_condition({1, 1, 1, 1, 1}, {1, 0, 3, 0, 2 * std::log(2.0)}, {4, 9, 4, 9, 9}, 2.0);
  EXPECT_THAT(weight, Pointwise(DoubleNear(1e-12), std::vector<double>{2 / (1 + e), 0.75, 2 * e / (1 + e), 0.75, 1.5}));
  EXPECT_NEAR(mean(weight), 1.0, 1e-12);
}

TEST(RewardWeights, MultiplyASelectionsWeightsAndKeepEachConditionsShare) {
  const std::vector<double> selected = {1, 3, 2, 6};
  const auto weight = weights_by_condition(selected, {0.0, std::log(2.0), 5.0, 5.0}, {0, 0, 1, 1}, 1.0);
  EXPECT_THAT(weight, Pointwise(DoubleNear(1e-12), std::vector<double>{4.0 / 3 / 7, 4.0 / 3 * 6 / 7, 2.0 / 3, 2.0}));
  EXPECT_NEAR(mean(weight), 1.0, 1e-12);
  const auto flat = weights_by_condition(selected, {0.0, 1.0, 2.0, 3.0}, {0, 0, 1, 1}, 1e12);
  EXPECT_THAT(flat, Pointwise(DoubleNear(1e-9), std::vector<double>{1.0 / 3, 1.0, 2.0 / 3, 2.0})) << "the selection's, over their mean";
}

TEST(RewardWeights, StayFiniteWhateverTheScores) {
  EXPECT_THAT(tilted({1, 1, 1}, {-1e6, 1e6, 1e6 - 1.0}, 1.0),
              Pointwise(DoubleNear(1e-12), std::vector<double>{0.0, 1 / (1 + std::exp(-1.0)), 1 / (1 + std::exp(1.0))}));
}

const Options kShort = {{"max_train_steps", 8}, {"train_batch_size", 4}, {"learning_rate", 0.01}, {"logging_steps", 2}};

Options with(Options options, const Options& usual = kShort) {
  options.insert(usual.begin(), usual.end());
  return options;
}

TEST(SftByReward, Conforms) {
  for (const auto source : {TrainsOn::scores, TrainsOn::selection}) {
    for (const char* by : {"condition", "batch"}) {
      for (const char* loss : {"clean", "forward"}) {
        conformance::check_trainer(entry(),
                                   with({{"reward_temperature", 0.5},
                                         {"weight_by", by},
                                         {"intermediate_step", 0.5},
                                         {"loss", loss},
                                         {"gradient_accumulation_steps", 2}}),
                                   source);
      }
    }
  }
  conformance::check_trainer(entry(), kShort, TrainsOn::scores);
}

// 32 samples of several scores, in four conditions.
Accepted scored(std::vector<double> weights = std::vector<double>(32, 1.0)) {
  Accepted samples(32, 0.3, std::move(weights));
  for (std::size_t i = 0; i < 32; ++i) {
    samples.score[i] = std::sin(static_cast<double>(i));
    samples.condition.push_back(static_cast<std::int64_t>(i) / 8);
  }
  return samples;
}

Model run(const Accepted& samples, const Options& options) {
  Training training;
  training.selection = &samples;
  return training.run(*conformance::make<Trainer>(entry(), options));
}

// The weights that rewards give are those of a selection that has them itself.
TEST(SftByReward, TrainsAsASelectionOfTheSameWeights) {
  auto rewarded = scored();
  const auto by_condition = weights_by_condition(rewarded.weight, rewarded.score, rewarded.condition, 0.5);
  const auto direct = scored(by_condition);
  const auto plain = run(direct, kShort).weights.at("unet.gain");
  EXPECT_TRUE(at::allclose(run(rewarded, with({{"reward_temperature", 0.5}})).weights.at("unet.gain"), plain, 1e-4, 1e-6));
  EXPECT_FALSE(at::allclose(run(rewarded, kShort).weights.at("unet.gain"), plain, 1e-4, 1e-6)) << "without a temperature";
}

// A batch of all 32 samples has the softmax among all of them.
TEST(SftByReward, WeightsABatchAsASoftmaxAmongItsSamples) {
  auto samples = scored();
  const Options whole = with({{"train_batch_size", 32}, {"reward_temperature", 0.5}});
  const auto by_batch = run(samples, with({{"weight_by", "batch"}}, whole)).weights.at("unet.gain");
  samples.condition.assign(32, 0);
  EXPECT_TRUE(at::allclose(by_batch, run(samples, whole).weights.at("unet.gain"), 1e-4, 1e-6));
  EXPECT_FALSE(at::allclose(by_batch, run(scored(), whole).weights.at("unet.gain"), 1e-4, 1e-6)) << "among those of a condition";
}

TEST(SftByReward, WeightsABatchAlikeInParts) {
  const auto samples = scored();
  const Options usual = {{"max_train_steps", 10}, {"learning_rate", 0.01}, {"reward_temperature", 0.5}, {"weight_by", "batch"}};
  const auto at_once = run(samples, with({{"train_batch_size", 24}}, usual));
  const auto in_parts = run(samples, with({{"train_batch_size", 8}, {"gradient_accumulation_steps", 3}}, usual));
  for (const auto& [name, tensor] : at_once.weights) EXPECT_TRUE(at::allclose(tensor, in_parts.weights.at(name), 1e-4, 1e-5)) << name;
}

// Weights have the mean 1 in every batch, so that the loss of equal errors is what it is without them.
TEST(SftByReward, KeepsTheSizeOfTheLoss) {
  const auto loss = [](const Options& options) {
    const auto samples = scored();
    Training training;  // the network predicts 0: each error is the mean square of the noise, 1 on average
    training.selection = &samples;
    training.run(*conformance::make<Trainer>(
        entry(), with(options, {{"max_train_steps", 64}, {"train_batch_size", 32}, {"learning_rate", 1e-9}, {"logging_steps", 64}})));
    return training.curves.at("loss").at(64);
  };
  EXPECT_NEAR(loss({}), 1.0, 0.03);
  EXPECT_NEAR(loss({{"reward_temperature", 0.5}}), 1.0, 0.03);
  EXPECT_NEAR(loss({{"reward_temperature", 0.5}, {"weight_by", "batch"}}), 1.0, 0.03);
}

TEST(SftByReward, LeavesKeysAsTheyWereWithoutATemperature) {
  const auto keyed = [](const Options& options) {
    auto plugin = conformance::make_any(entry(), {});
    Schema schema;
    plugin->options(schema);
    EXPECT_TRUE(schema.read(options).empty());
    return schema.values(OptionRole::keyed);
  };
  EXPECT_EQ(keyed({}).find("reward_temperature"), nullptr);
  EXPECT_EQ(keyed({}).find("weight_by"), nullptr);
  EXPECT_EQ(*keyed({{"reward_temperature", 0.5}}).find("reward_temperature"), Value(0.5));
  EXPECT_EQ(*keyed({{"reward_temperature", 0.5}, {"weight_by", "batch"}}).find("weight_by"), Value("batch"));
}

TEST(SftByReward, ReadsTheStateThatItsLossReadsOfScoresToo) {
  const auto steps = [](const Options& options) { return conformance::inputs_of(entry(), options).at("scores").records; };
  EXPECT_EQ(steps({{"intermediate_step", 0.25}}), std::vector<Step>{Step()});
  EXPECT_EQ(steps({{"intermediate_step", 0.25}, {"loss", "forward"}}), std::vector<Step>{Step(0.25)});
  EXPECT_THAT(conformance::inputs_of(entry()).at("scores").excludes, ElementsAre("selection"));
}

TEST(SftByReward, RefusesATemperatureWithoutScores) {
  const auto planned = [](const Options& options) {
    return conformance::make<Trainer>(entry(), options)->trained_info(linear_model().info, nullptr, std::nullopt);
  };
  EXPECT_THAT([&] { planned({{"reward_temperature", 0.5}}); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("reward_temperature is 0.5"), HasSubstr("no scores and no selection"))));
  EXPECT_THAT([&] { conformance::make<Trainer>(entry(), {{"weight_by", "batch"}})->check(); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("weight_by is set"), HasSubstr("set reward_temperature"))));
}

}  // namespace
}  // namespace espalier::sft
