// trainer.sft with rank: an adapter of a network of convolutions is trained, and the network itself is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/training/convolutions.h"
#include "tests/runtime/training/linear_gaussian.h"

namespace espalier::sft {
namespace {

using conformance::Options, conformance::TrainsOn;
using testing::AllOf, testing::HasSubstr, testing::ThrowsMessage;

const Options kLora = {{"max_train_steps", 8},
                       {"train_batch_size", 4},
                       {"learning_rate", 0.01},
                       {"logging_steps", 2},
                       {"rank", 2},
                       {"lora_alpha", 3.0},
                       {"target_modules", Value::List{"conv_in", "conv_out", "time"}}};

PluginEntry entry() { return conformance::plugin("trainer.sft"); }

Options with(Options options, const Options& usual = kLora) {
  options.insert(usual.begin(), usual.end());
  return options;
}

TEST(SftLora, ConformsOnExamplesAndOnASelection) {
  const auto domain = conformance::toy_domain();
  conformance::check_trainer(entry(), kLora, TrainsOn::examples, *domain, convolutions());
  conformance::check_trainer(entry(), with({{"use_ema", true}, {"use_rslora", true}, {"keep_state", true}, {"checkpointing_steps", 1}}),
                             TrainsOn::examples, *domain, convolutions());
  conformance::check_trainer(entry(), with({{"intermediate_step", 0.5}, {"loss", "forward"}}), TrainsOn::selection, *domain,
                             convolutions());
}

Model trained(const Options& options, const Model& start) {
  Training training;
  training.domain = conformance::toy_domain();
  training.start = start;
  return training.run(*conformance::make<Trainer>(entry(), options));
}

TEST(SftLora, GivesTheBasesTensorsAndAnAdapter) {
  const auto start = convolutions();
  const auto model = trained(kLora, start);
  EXPECT_EQ(model.weights.size(), start.weights.size() + 6);
  for (const auto& [name, tensor] : start.weights) EXPECT_EQ(model.weights.at(name).data_ptr(), tensor.data_ptr()) << name;
  EXPECT_EQ(model.info.base, start.info.digest);
}

TEST(SftLora, GoesOnFromItsOwnResult) {
  const auto start = convolutions();
  const auto once = trained(kLora, start), twice = trained(kLora, once);
  EXPECT_EQ(twice.info.base, start.info.digest);
  EXPECT_NE(twice.info.adapter, once.info.adapter);
}

TEST(SftLora, LearnsAsMuchAsItsLossSays) {
  Training before, after;
  for (auto* training : {&before, &after}) {
    training->domain = conformance::toy_domain();
    training->start = convolutions();
  }
  const Options longer = with({{"max_train_steps", 60}, {"logging_steps", 20}, {"learning_rate", 0.05}});
  after.run(*conformance::make<Trainer>(entry(), longer));
  before.run(*conformance::make<Trainer>(entry(), with({{"max_train_steps", 20}, {"logging_steps", 20}, {"learning_rate", 1e-6}})));
  EXPECT_LT(after.curves.at("loss").at(60), 0.7 * before.curves.at("loss").at(20));
}

TEST(SftLora, RefusesBeforeAnythingIsComputedWhatItCannotTrain) {
  const auto start = convolutions().info;
  const auto plan = [&](const Options& options, const ModelInfo& info) {
    return [&, options, info] { conformance::make<Trainer>(entry(), options)->trained_info(info, nullptr, std::nullopt); };
  };
  EXPECT_NO_THROW(plan(kLora, start)());
  EXPECT_THAT(plan({{"rank", 4}}, start), ThrowsMessage<ConfigError>(AllOf(HasSubstr("trainer.sft: target_modules names 'to_q'"),
                                                                           HasSubstr("conv_in, conv_out, time"))));
  auto adapted = start;
  adapted.adapter = "a";
  EXPECT_THAT(plan({}, adapted), ThrowsMessage<ConfigError>(HasSubstr("the model has an adapter")));
}

}  // namespace
}  // namespace espalier::sft
