// The gradient where that of the expected reward is known in closed form, and what many rounds of it do.
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "plugins/trainer/ddpo/policy_world.h"
#include "runtime/base/errors.h"
#include "tests/conformance/conformance.h"

namespace espalier::ddpo {
namespace {

using testing::HasSubstr, testing::ThrowsMessage;

// One update on everything, with advantages relative to all samples; the gradient is not clipped, and weights do not decay.
const Value::Map kOneUpdate = {
    {"max_train_steps", 1}, {"train_batch_size", 65536}, {"advantage_window", 0}, {"max_grad_norm", 0.0}, {"adam_weight_decay", 0.0}};

struct StepEffect {
  LinearStep step;
  double passed_on = 1.0;  // of a change of the state after it, what arrives in x_0
};

// By steps remaining.
std::map<std::int64_t, StepEffect> effects(const Model& model) {
  std::map<std::int64_t, StepEffect> all;
  double passed_on = 1.0;
  for (std::int64_t n = 1; n <= kSteps; ++n) {
    all[n] = {linear_step(model, n), passed_on};
    passed_on *= all[n].step.gain;
  }
  return all;
}

// r is the mean of kElements elements, each with this deviation.
double element_deviation(const std::map<std::int64_t, StepEffect>& all) {
  const auto& first = all.at(kSteps);
  double variance = std::pow(first.passed_on * first.step.gain, 2);
  for (const auto& [n, effect] : all) variance += std::pow(effect.passed_on * effect.step.std, 2);
  return std::sqrt(variance);
}

// E[A grad log p], log p a mean over elements: with r of deviation s / sqrt(d), (1 / d) (dE[r] / d offset) / (s / sqrt(d)); the loss is
// minus its mean over the steps that have a density.
void expect_closed_form(const Model& model, std::int64_t without_density) {
  constexpr std::int64_t kCount = 400000;
  const auto all = effects(model);
  const auto sampled = sample(model, kCount, 5);
  Training training;
  const auto gradient = gradient_of(training.train(kOneUpdate, model, sampled.selection));
  const auto steps = static_cast<double>(kSteps - without_density);
  double checked = 0;
  for (const auto& [n, effect] : all) {
    SCOPED_TRACE(testing::Message() << n << " steps remaining");
    const double found = gradient[effect.step.timestep].item<double>();
    if (n <= without_density) {
      EXPECT_EQ(found, 0.0) << "this step has no density";
      continue;
    }
    const double of_reward = effect.passed_on * effect.step.slope;
    const double wanted = -of_reward / element_deviation(all) / std::sqrt(static_cast<double>(kElements)) / steps;
    // Of one trajectory: |A z| / sqrt(d) slope / std, where A and z have deviation 1.
    const double error =
        std::abs(effect.step.slope / effect.step.std) / std::sqrt(static_cast<double>(kElements)) / steps * std::sqrt(2.0 / kCount);
    EXPECT_NEAR(found, wanted, 4 * error);
    EXPECT_GT(std::abs(wanted), 8 * error) << "the standard error is too large to show that it differs from 0";
    ++checked;
  }
  EXPECT_EQ(checked, steps);
  EXPECT_EQ(gradient.count_nonzero().item<std::int64_t>(), static_cast<std::int64_t>(steps)) << "timesteps that are not visited";
}

TEST(PolicyGradient, IsThatOfTheExpectedReward) { expect_closed_form(offset_model(), 1); }

// With timesteps 10, 7, 4 and 1, the last step goes from abar_1 to abar_0 and adds noise.
TEST(PolicyGradient, IncludesALastStepThatEndsAtTheFirstLevel) { expect_closed_form(offset_model(false, 1), 0); }

TEST(PolicyGradient, RaisesTheRewardOverRounds) {
  const Value::Map options = {{"max_train_steps", 2}, {"train_batch_size", 64}, {"learning_rate", 0.05}, {"clip_range", 0.2}};
  auto model = offset_model();
  const double before = sample(model, 4000, 77).mean_reward;
  TensorMap state;
  for (std::uint64_t round = 0; round < 12; ++round) {
    Training training;
    auto trained = training.train(options, model, sample(model, 256, round).selection, state.empty() ? nullptr : &state);
    model = std::move(trained.model);
    state = std::move(trained.state);
  }
  EXPECT_EQ(state.at("optimizer.unet.offset.step").item<double>(), 24);
  // AdamW moves each offset by at most the learning rate an update; all of them against their slopes raise the mean by at most this.
  double most = 0.0;
  for (const auto& [n, effect] : effects(model)) {
    if (n > 1) most += 24 * 0.05 * std::abs(effect.passed_on * effect.step.slope);
  }
  const double gain = sample(model, 4000, 77).mean_reward - before;
  EXPECT_GT(gain, 0.5 * most);
  EXPECT_LE(gain, most);
}

TEST(PolicyGradient, DoesNotDependOnTheMicroBatch) {
  const auto model = offset_model();
  const auto sampled = sample(model, 50, 2);
  std::vector<at::Tensor> gradients;
  for (const std::int64_t size : {1, 7, 64}) {
    auto options = kOneUpdate;
    options["train_batch_size"] = size;
    Training training;
    gradients.push_back(gradient_of(training.train(options, model, sampled.selection)));
  }
  for (const auto& other : gradients) EXPECT_LE((other - gradients.front()).abs().max().item<double>(), 1e-6);
}

TEST(PolicyGradient, ClipsOnlyFromTheSecondUpdateOn) {
  const auto model = offset_model();
  const auto sampled = sample(model, 64, 4);
  Training training;
  training.train({{"max_train_steps", 2}, {"train_batch_size", 32}, {"learning_rate", 0.05}}, model, sampled.selection);
  EXPECT_EQ(training.curves.at("clip_fraction").at(1), 0.0);
  EXPECT_EQ(training.curves.at("approx_kl").at(1), 0.0);
  EXPECT_GT(training.curves.at("clip_fraction").at(2), 0.9) << "a step of 0.05 changes a log-probability by more than 1e-4";
  EXPECT_GT(training.curves.at("approx_kl").at(2), 1e-6);
}

// With equal rewards the loss is the KL alone: (slope (offset - offset of the reference) / std)^2 / 2 of each of the three steps.
TEST(PolicyGradient, OfTheKlToAReferenceIsItsClosedForm) {
  const auto model = offset_model();
  auto reference = std::make_shared<Model>(offset_model());
  reference->weights.at("unet.offset") = reference->weights.at("unet.offset") - 0.3;
  auto options = kOneUpdate;
  options["kl_coefficient"] = 0.04;
  Training training;
  const auto equal = [](std::int64_t) { return 1.0; };
  const auto gradient = gradient_of(training.train(options, model, sample(model, 64, 4, 1, equal).selection, nullptr, reference));
  double kl = 0.0;
  for (const std::int64_t n : {4, 3, 2}) {
    const auto step = linear_step(model, n);
    const double curvature = std::pow(step.slope / step.std, 2);
    kl += curvature * 0.3 * 0.3 / 2 / 3;
    EXPECT_NEAR(gradient[step.timestep].item<double>(), 0.04 * curvature * 0.3 / 3, 1e-6) << n;
  }
  EXPECT_NEAR(training.curves.at("kl").at(1), kl, 1e-6);
  EXPECT_NEAR(training.curves.at("loss").at(1), 0.04 * kl, 1e-6);
}

TEST(PolicyGradient, RefusesAReferenceWithoutACoefficient) {
  const auto model = offset_model();
  Training training;
  EXPECT_THAT(
      [&] { training.train(kOneUpdate, model, sample(model, 64, 4).selection, nullptr, std::make_shared<const Model>(offset_model())); },
      ThrowsMessage<ConfigError>(HasSubstr("the input 'reference' has no effect at kl_coefficient = 0")));
}

TEST(PolicyGradient, TrainsOnlyTheStepsOfItsModel) {
  const auto model = offset_model();
  auto other = model.info;
  other.digest = sha256("another model");
  auto sampled = sample(model, 64, 4);
  auto& segments = sampled.selection.sampling.phase.segments;
  segments = {{model.info, kSteps, 3, {}}, {other, 3, 0, {}}};
  Training training;
  const auto gradient = gradient_of(training.train(kOneUpdate, model, sampled.selection));
  EXPECT_NE(gradient[9].item<double>(), 0.0);
  EXPECT_EQ(gradient.count_nonzero().item<std::int64_t>(), 1);
  segments = {{other, kSteps, 0, {}}};
  EXPECT_THAT(
      [&] { training.train(kOneUpdate, model, sampled.selection); },
      ThrowsMessage<ConfigError>(HasSubstr("trainer.ddpo: the trajectories were not sampled with the model that training starts from")));
}

}  // namespace
}  // namespace espalier::ddpo
