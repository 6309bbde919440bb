#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/base/files.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/training/convolutions.h"
#include "tests/runtime/training/linear_gaussian.h"

namespace espalier::dpo {
namespace {

using namespace sft;  // NOLINT: the small models

using conformance::Options, conformance::TrainsOn;
using testing::AllOf, testing::HasSubstr, testing::ThrowsMessage;

PluginEntry entry() { return conformance::plugin("trainer.dpo"); }

Options with(Options options, const Options& usual) {
  options.insert(usual.begin(), usual.end());
  return options;
}

const Options kShort = {{"max_train_steps", 8}, {"train_batch_size", 4}, {"learning_rate", 0.01}, {"logging_steps", 2}};
const Options kLora = with({{"rank", 2}, {"lora_alpha", 3.0}, {"target_modules", Value::List{"conv_in", "conv_out"}}}, kShort);

TEST(Dpo, Conforms) {
  conformance::check_trainer(entry(), kShort, TrainsOn::scores);
  conformance::check_trainer(
      entry(),
      with({{"use_ema", true}, {"keep_state", true}, {"gradient_accumulation_steps", 2}, {"conditioning_dropout_prob", 0.3}}, kShort),
      TrainsOn::scores);
  const auto domain = conformance::toy_domain();
  conformance::check_trainer(entry(), kShort, TrainsOn::scores, *domain, conformance::toy_model(1, "rectified_flow"));
  conformance::check_trainer(entry(), kLora, TrainsOn::scores, *domain, convolutions());
}

constexpr double kSpread = 0.5;
constexpr std::int64_t kPrompts = 64, kPerPrompt = 8;

// The reference: what denoises N(0, kSpread^2) best.
Model reference() {
  Model model = linear_model();
  for (std::int64_t t = 0; t < kTimesteps; ++t) {
    const double abar = alpha_bars()[static_cast<std::size_t>(t)];
    model.weights.at("unet.gain")[t] = std::sqrt(1 - abar) / (abar * kSpread * kSpread + 1 - abar);
  }
  model.info.digest = digest_weights(model.weights);
  return model;
}

// Some samples of each prompt, as the reference gives them; the reward is the mean of a sample's elements.
Accepted scored() {
  const auto count = kPrompts * kPerPrompt;
  Accepted samples(count, kSpread, std::vector<double>(static_cast<std::size_t>(count), 1.0));
  std::vector<std::uint64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    rows.push_back(static_cast<std::uint64_t>(i));
    samples.condition.push_back(i % kPrompts);
  }
  random::Draws draws({.seed = 4, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, rows);
  samples.clean = draws.normals({kElements}) * kSpread;
  const auto reward = samples.clean.mean(1).to(at::kDouble).contiguous();
  samples.score.assign(reward.const_data_ptr<double>(), reward.const_data_ptr<double>() + count);
  return samples;
}

// The mean reward of 512 samples by DDIM, all from the same noise, of label 0.
double mean_reward(const Model& model) {
  std::vector<std::uint64_t> rows;
  for (std::uint64_t i = 0; i < 512; ++i) rows.push_back(i);
  random::Draws draws({.seed = 5, .purpose = random::Purpose::evaluation, .round = 0, .branch = 0}, rows);
  auto x = draws.normals({kElements});
  for (std::int64_t t = kTimesteps - 1; t >= 0; --t) {
    const double abar = alpha_bars()[static_cast<std::size_t>(t)], next = t > 0 ? alpha_bars()[static_cast<std::size_t>(t - 1)] : 1.0;
    const auto eps = x * model.weights.at("unet.gain")[t] + model.weights.at("unet.offset")[0][t];
    x = (x - eps * std::sqrt(1 - abar)) * std::sqrt(next / abar) + eps * std::sqrt(1 - next);
  }
  return x.mean().item<double>();
}

Model trained(const Accepted& samples, double beta, Training training = {}) {
  training.start = reference();
  training.selection = &samples;
  const Options options = {{"beta_dpo", beta},         {"max_train_steps", 200},   {"train_batch_size", 64}, {"learning_rate", 0.01},
                           {"lr_scheduler", "cosine"}, {"adam_weight_decay", 0.0}, {"max_grad_norm", 0.0}};
  return training.run(*conformance::make<Trainer>(entry(), options));
}

// The best of 8 have a reward of 1.42 kSpread / 4 = 0.18 on average, the worst -0.18.
TEST(Dpo, MovesTheMeanRewardUpAndLessWhereTheReferenceCountsMore) {
  const auto samples = scored();
  const double before = mean_reward(reference());
  const double weak = mean_reward(trained(samples, 200.0)), strong = mean_reward(trained(samples, 2.0));
  EXPECT_NEAR(before, 0.0, 0.02);
  EXPECT_GT(weak, before + 0.02);
  EXPECT_GT(strong, before + 0.1);
  EXPECT_GT(strong, weak);
}

TEST(Dpo, MovesTheMeanRewardDownWhereScoresAreReversed) {
  auto samples = scored();
  for (auto& score : samples.score) score = -score;
  EXPECT_LT(mean_reward(trained(samples, 2.0)), mean_reward(reference()) - 0.1);
}

// The first loss is that of the reference itself: log 2, with or without an adapter.
TEST(Dpo, BeginsAtItsReference) {
  auto samples = scored();
  Training training;
  training.start = reference();
  training.selection = &samples;
  training.run(*conformance::make<Trainer>(entry(), {{"max_train_steps", 1}, {"train_batch_size", 8}}));
  EXPECT_NEAR(training.curves.at("loss").at(1), std::log(2.0), 1e-6);
  EXPECT_EQ(training.curves.at("implicit_accuracy").at(1), 0.5);
  EXPECT_EQ(training.curves.at("denoising_error").at(1), training.curves.at("reference_denoising_error").at(1));
}

// What DPO reads of the toy domain: two samples of each of four prompts.
class ToySamples final : public ViewSource {
 public:
  ToySamples(const Domain& domain, const Model& model) : all_(conformance::encoded(domain, "train", model)) {}
  State states(std::int64_t, const std::vector<std::int64_t>& index) const override { return at(index).state; }
  Conditions conditions(const std::vector<std::int64_t>& index) const override {
    Conditions conditions;
    conditions.tensors = at(index).condition;
    return conditions;
  }

 private:
  EncodedExamples::Batch at(const std::vector<std::int64_t>& index) const { return all_->at({index.begin(), index.end()}); }
  std::shared_ptr<const EncodedExamples> all_;
};

// Loss at the first step of a training of an adapter that starts from `start`.
double first_loss(const Model& start) {
  class Nothing final : public Checkpoints, public CurveLog {
   public:
    std::optional<Checkpoint> newest() override { return std::nullopt; }
    void save(const Checkpoint&) override {}
    void scalar(const std::string& name, std::int64_t step, double value) override {
      if (name == "loss" && step == 1) loss = value;
    }
    double loss = 0.0;
  };
  const auto domain = conformance::toy_domain();
  const auto codec = domain->codec(&start.info);
  const SelectedTrajectories samples{View({"samples", start.process->grid(4), codec, View::range(0, 8), {0, 1, 2, 3, 0, 1, 2, 3}},
                                          std::make_shared<ToySamples>(*domain, start)),
                                     std::vector<double>(8, 1.0),
                                     {1, 2, 3, 4, 5, 6, 7, 8},
                                     {"sampler.example", Value::Map{}}};
  Nothing log;
  TrainerInput input{*domain, start, &samples, 3, {}, log, log};
  input.codec = codec;
  conformance::make<Trainer>(entry(), with({{"max_train_steps", 1}, {"logging_steps", 1}}, kLora))->train(input);
  return log.loss;
}

TEST(Dpo, RefersToTheBaseWithTheAdapterOff) {
  const auto base = convolutions();
  EXPECT_NEAR(first_loss(base), std::log(2.0), 1e-6) << "a new adapter adds nothing";
  auto adapted = base;
  adapted.weights["unet.conv_in.lora_A.weight"] = at::full({2, 3, 3, 3}, 0.1);
  adapted.weights["unet.conv_in.lora_B.weight"] = at::full({4, 2, 1, 1}, 0.2);
  adapted.weights["unet.conv_out.lora_A.weight"] = at::full({2, 4, 3, 3}, 0.1);
  adapted.weights["unet.conv_out.lora_B.weight"] = at::zeros({3, 2, 1, 1});
  adapted.info.base = base.info.digest;
  adapted.info.adapter = "some";
  EXPECT_GT(std::abs(first_loss(adapted) - std::log(2.0)), 1e-4) << "the reference has the adapter too";
}

TEST(Dpo, CountsPairsAndTiedPromptsInItsCurves) {
  Accepted samples = scored();
  for (std::size_t i = 0; i < samples.score.size(); ++i) {
    if (samples.condition[i] < 3) samples.score[i] = 1.0;                                                 // three tied prompts
    if (samples.condition[i] == 5 && i > 5) samples.score[i] = std::numeric_limits<double>::quiet_NaN();  // one of a single score
  }
  Training training;
  training.start = reference();
  training.selection = &samples;
  training.run(*conformance::make<Trainer>(entry(), {{"max_train_steps", 2}, {"train_batch_size", 8}}));
  EXPECT_EQ(training.curves.at("pairs").at(2), kPrompts - 4);
  EXPECT_EQ(training.curves.at("tied_prompts").at(2), 3);
}

TEST(Dpo, DropsConditionsOfAPairAsTheOptionSays) {
  const auto samples = scored();
  for (const double share : {0.0, 1.0}) {
    Training training;
    training.start = reference();
    training.selection = &samples;
    training.run(
        *conformance::make<Trainer>(entry(), {{"max_train_steps", 2}, {"train_batch_size", 8}, {"conditioning_dropout_prob", share}}));
    EXPECT_EQ(network_of(training.start).labels[kEmpty] > 0, share == 1.0);
    EXPECT_EQ(network_of(training.start).labels[0] > 0, share == 0.0);
  }
}

TEST(Dpo, RefusesWhatItCannotTrainAndNamesWhatWouldBeRight) {
  auto samples = scored();
  samples.score.assign(samples.score.size(), 1.0);
  EXPECT_THAT([&] { trained(samples, 1.0); },
              ThrowsMessage<StageError>(AllOf(HasSubstr("no prompt has two samples with different finite scores"),
                                              HasSubstr("of 64 all samples have one score"), HasSubstr("samples_per_condition"))));
  const auto planned = [](const Options& options, const ModelInfo& start) {
    return conformance::make<Trainer>(entry(), options)->trained_info(start, nullptr, std::nullopt);
  };
  ModelInfo pages;
  pages.process = parse_json(read_file("datasets/models/layout-blank-small/scheduler/scheduler_config.json"), "the scheduler");
  EXPECT_THAT([&] { planned({}, pages); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("'interleaved'"), HasSubstr("variance_preserving and rectified_flow"))));
  auto start = linear_model().info;
  start.components = {"text_encoder", "unet"};
  EXPECT_THAT([&] { planned({{"train_components", Value::List{"unett"}}}, start); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("trainer.dpo"), HasSubstr("'unett'"), HasSubstr("text_encoder, unet"))));
  start.last_step = Step(0.5);
  EXPECT_EQ(planned({}, start)->last_step, Step()) << "it trains every step";
  EXPECT_THAT([&] { conformance::make<Trainer>(entry(), {{"beta_dpo", 0.0}}); }, ThrowsMessage<ConfigError>(HasSubstr("beta_dpo")));
}

}  // namespace
}  // namespace espalier::dpo
