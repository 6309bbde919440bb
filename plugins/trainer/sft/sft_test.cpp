#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "tests/conformance/conformance.h"
#include "tests/runtime/training/linear_gaussian.h"

namespace espalier::sft {
namespace {

using conformance::Options, conformance::TrainsOn;
using testing::AllOf, testing::HasSubstr;

PluginEntry entry() { return conformance::plugin("trainer.sft"); }

Model run(Training& training, const Options& options) { return training.run(*conformance::make<Trainer>(entry(), options)); }

// The message with which a run with these options fails; "" if it does not.
std::string failure(Training& training, const Options& options) {
  try {
    run(training, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

Options with(Options options, const Options& usual) {
  options.insert(usual.begin(), usual.end());
  return options;
}

TEST(Sft, ConformsOnExamples) {
  const Options usual = {{"max_train_steps", 8}, {"train_batch_size", 4}, {"learning_rate", 0.01}, {"logging_steps", 2}};
  conformance::check_trainer(entry(), usual, TrainsOn::examples);
  conformance::check_trainer(entry(), with({{"use_ema", true}, {"checkpointing_steps", 1}, {"gradient_accumulation_steps", 2}}, usual),
                             TrainsOn::examples);
}

TEST(Sft, ConformsOnASelection) {
  for (const char* loss : {"clean", "forward"}) {
    for (const Value& step : {Value(0), Value(3), Value(0.5)}) {
      conformance::check_trainer(
          entry(), {{"max_train_steps", 8}, {"train_batch_size", 4}, {"intermediate_step", step}, {"loss", loss}, {"logging_steps", 3}},
          TrainsOn::selection);
    }
  }
}

// Nine steps with everything that a checkpoint must carry.
const Options kNineSteps = {{"max_train_steps", 9},
                            {"train_batch_size", 4},
                            {"gradient_accumulation_steps", 2},
                            {"learning_rate", 0.05},
                            {"lr_scheduler", "cosine"},
                            {"lr_warmup_steps", 2},
                            {"use_ema", true},
                            {"ema_decay", 0.9},
                            {"conditioning_dropout_prob", 0.25},
                            {"train_components", Value::List{"unet", "text_encoder"}},
                            {"checkpointing_steps", 3},
                            {"logging_steps", 4}};

TEST(Sft, GoesOnAfterAStopAsIfItHadNot) {
  Training whole;
  const auto digest = run(whole, kNineSteps).info.digest;
  EXPECT_EQ(whole.saved, 2);  // steps 3 and 6
  for (std::int64_t stop = 1; stop < 9; ++stop) {
    SCOPED_TRACE("stopped at step " + std::to_string(stop));
    Training training;
    training.stop_after = stop;
    EXPECT_THROW(run(training, kNineSteps), Stopped);
    training.stop_after = -1;
    training.start = linear_model();
    EXPECT_EQ(run(training, kNineSteps).info.digest, digest);
    EXPECT_EQ(training.curves, whole.curves);
  }
}

TEST(Sft, GoesOnAfterBeingKilledFromTheLastCheckpoint) {
  Training whole;
  const auto digest = run(whole, kNineSteps).info.digest;
  for (const std::int64_t death : {1, 5, 8, 9}) {
    SCOPED_TRACE("died at step " + std::to_string(death));
    Training training;
    training.die_after = death;
    EXPECT_THROW(run(training, kNineSteps), Died);
    EXPECT_EQ(training.saved, (death - 1) / 3);
    training.die_after = -1;
    if (training.checkpoint.empty()) training.curves.clear();
    EXPECT_EQ(run(training, kNineSteps).info.digest, digest);
    EXPECT_EQ(training.curves, whole.curves);
  }
}

TEST(Sft, StopsOnSelectionsAsOnExamples) {
  const Accepted accepted(10, 0.3, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  auto options = kNineSteps;
  options["intermediate_step"] = 1;
  Training whole, training;
  whole.selection = training.selection = &accepted;
  training.stop_after = 4;
  EXPECT_THROW(run(training, options), Stopped);
  training.stop_after = -1;
  EXPECT_EQ(run(training, options).info.digest, run(whole, options).info.digest);
}

TEST(Sft, FinishesWhenAskedToStopAtTheLastStep) {
  Training training;
  training.stop_after = 9;
  EXPECT_NO_THROW(run(training, kNineSteps));
}

TEST(Sft, AccumulatesToTheSameGradientAsALargeBatch) {
  const Options usual = {{"max_train_steps", 10}, {"learning_rate", 0.01}, {"logging_steps", 5}};
  Training large, parts;
  const auto at_once = run(large, with({{"train_batch_size", 32}}, usual));
  const auto in_parts = run(parts, with({{"train_batch_size", 8}, {"gradient_accumulation_steps", 4}}, usual));
  for (const auto& [name, tensor] : at_once.weights) {
    EXPECT_TRUE(at::allclose(tensor, in_parts.weights.at(name), 1e-4, 1e-5)) << name;
  }
  EXPECT_NEAR(large.curves.at("loss").at(10), parts.curves.at("loss").at(10), 1e-5);
}

TEST(Sft, GivesTheMovingAverageWithItsWarmUp) {
  const auto gain_after = [](std::int64_t steps, bool ema) {
    Training training;
    return run(training, {{"max_train_steps", steps}, {"use_ema", ema}, {"train_batch_size", 16}, {"learning_rate", 0.1}})
        .weights.at("unet.gain");
  };
  const auto first = gain_after(1, false), second = gain_after(2, false);
  EXPECT_TRUE(at::equal(gain_after(1, true), first));
  EXPECT_TRUE(at::allclose(gain_after(2, true), first * (2.0 / 11.0) + second * (9.0 / 11.0), 1e-5, 1e-7));
}

TEST(Sft, DropsTheGivenShareOfConditions) {
  for (const double share : {0.0, 0.3, 1.0}) {
    Training training;
    run(training, {{"max_train_steps", 50}, {"train_batch_size", 64}, {"conditioning_dropout_prob", share}});
    const double dropped = static_cast<double>(network_of(training.start).labels[kEmpty]) / (50 * 64);
    const double deviation = std::sqrt(share * (1 - share) / (50 * 64));
    EXPECT_LE(std::abs(dropped - share), 4 * deviation) << "found " << dropped << " of " << share;
  }
}

TEST(Sft, TrainsTheNamedComponentsOnly) {
  for (const auto& [components, unet, text] : {std::tuple{Value::List{"unet"}, true, false},
                                               {Value::List{"text_encoder"}, false, true},
                                               {Value::List{"unet", "text_encoder"}, true, true}}) {
    Training training;
    training.start.weights.at("unet.gain").fill_(0.5);  // with a gain of 0 the text encoder has no gradient
    const auto model = run(training, {{"max_train_steps", 3}, {"train_batch_size", 8}, {"train_components", components}});
    const auto changed = [&](const char* name) { return !at::equal(model.weights.at(name), training.start.weights.at(name)); };
    EXPECT_EQ(changed("unet.gain"), unet) << to_json(components);
    EXPECT_EQ(changed("unet.offset"), unet) << to_json(components);
    EXPECT_EQ(changed("text_encoder.shift"), text) << to_json(components);
  }
}

TEST(Sft, RecordsWhichStepsTheModelIsFor) {
  const Accepted accepted(8, 0.3, std::vector<double>(8, 1.0));
  const auto info = [&](Options options, const Accepted* selection) {
    Training training;
    training.selection = selection;
    const auto model = run(training, with(std::move(options), {{"max_train_steps", 1}, {"train_batch_size", 4}}));
    EXPECT_EQ(model.info.digest, digest_weights(model.weights));
    EXPECT_EQ(model.info.role, "denoiser");
    return model.info;
  };
  EXPECT_EQ(info({{"intermediate_step", 2}}, &accepted).last_step, Step(std::int64_t{2}));
  EXPECT_EQ(info({{"intermediate_step", 2}}, &accepted).trained_num_steps, 4) << "an index is one of its own schedule";
  EXPECT_EQ(info({{"intermediate_step", 0.5}}, &accepted).last_step, Step(0.5));
  EXPECT_EQ(info({{"intermediate_step", 0.5}}, &accepted).trained_num_steps, 0);
  EXPECT_EQ(info({}, &accepted).last_step, Step());
  EXPECT_EQ(info({}, nullptr).last_step, Step());
}

TEST(Sft, DeclaresTheStateThatItsLossReads) {
  const auto steps = [](const Options& options) { return conformance::inputs_of(entry(), options).at("selection").records; };
  EXPECT_EQ(steps({{"intermediate_step", 0.25}, {"loss", "clean"}}), std::vector<Step>{Step()});
  EXPECT_EQ(steps({{"intermediate_step", 0.25}, {"loss", "forward"}}), std::vector<Step>{Step(0.25)});
}

TEST(Sft, IsIdentifiedByItsExamplesContent) {
  const auto domain = gaussian_domain();
  const auto identity = [&](const char* split) { return conformance::make<Trainer>(entry(), {{"examples", split}})->identity(*domain); };
  EXPECT_EQ(identity("train"), identity("train"));
  EXPECT_NE(identity("train"), identity("held_out"));
}

TEST(Sft, RefusesWhatItCannotTrainAndNamesWhatWouldBeRight) {
  const Accepted accepted(8, 0.3, std::vector<double>(8, 1.0)), none(0, 0.3, {});
  const auto message = [](const Options& options, const Accepted* selection) {
    Training training;
    training.selection = selection;
    return failure(training, with(options, {{"max_train_steps", 2}, {"train_batch_size", 4}}));
  };
  EXPECT_THAT(message({{"intermediate_step", 0.25}}, nullptr), AllOf(HasSubstr("intermediate_step is 0.25"), HasSubstr("no selection")));
  EXPECT_THAT(message({{"intermediate_step", 5}}, &accepted), HasSubstr("outside 0 to 4"));
  EXPECT_THAT(message({{"intermediate_step", 1.0}, {"loss", "forward"}}, &accepted),
              AllOf(HasSubstr("intermediate_step = 1.0"), HasSubstr("step 4 of 4"), HasSubstr("take a smaller one")));
  EXPECT_THAT(message({{"train_components", Value::List{"unet", "vae"}}}, nullptr),
              AllOf(HasSubstr("'vae'"), HasSubstr("text_encoder, unet")));
  EXPECT_THAT(message({{"train_components", Value::List{}}}, nullptr), AllOf(HasSubstr("is empty"), HasSubstr("text_encoder, unet")));
  EXPECT_THAT(message({}, &none), AllOf(HasSubstr("selection is empty"), HasSubstr("loosen the filter")));
}

// The name is wrong whatever is sampled, scored and selected first.
TEST(Sft, RefusesUnknownComponentsBeforeAnythingIsComputed) {
  ModelInfo start;
  start.components = {"text_encoder", "unet"};
  const auto planned = [&](const Options& options) {
    return conformance::make<Trainer>(entry(), options)->trained_info(start, nullptr, std::nullopt);
  };
  EXPECT_THAT([&] { planned({{"train_components", Value::List{"unett"}}}); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("'unett'"), HasSubstr("text_encoder, unet"))));
  EXPECT_EQ(planned({{"train_components", Value::List{"text_encoder"}}})->components, start.components);
  start.components.emplace_back("vae");
  EXPECT_THAT([&] { planned({{"train_components", Value::List{"vae"}}}); }, ThrowsMessage<ConfigError>(HasSubstr("does not depend on it")));
  start.components.clear();  // of an entry of an earlier version
  EXPECT_TRUE(planned({{"train_components", Value::List{"unett"}}}).has_value());
}

TEST(Sft, RefusesToGoOnWithoutAFiniteLoss) {
  Training training;
  const auto message = failure(training, {{"max_train_steps", 20}, {"learning_rate", 1e30}, {"logging_steps", 4}, {"max_grad_norm", 0.0}});
  EXPECT_THAT(message, AllOf(HasSubstr("step 4"), HasSubstr("loss is not finite"), HasSubstr("learning_rate")));
}

TEST(Sft, RefusesToGiveWeightsThatAreNotFinite) {
  Training training;  // the loss of the only step is that of the weights before it
  const auto message = failure(training, {{"max_train_steps", 1}, {"learning_rate", 1e39}});
  EXPECT_THAT(message, AllOf(HasSubstr("weights of 'unet."), HasSubstr("not finite")));
}

}  // namespace
}  // namespace espalier::sft
