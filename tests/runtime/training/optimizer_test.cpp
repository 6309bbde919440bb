#include "runtime/training/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/errors.h"

namespace espalier::training {
namespace {

using Named = std::vector<std::pair<std::string, at::Tensor>>;

Named one_parameter() { return {{"w", at::tensor({1.0, -2.0}, at::kDouble).to(at::kFloat).requires_grad_(true)}}; }

void set_gradient(Named& parameters, double scale) { parameters[0].second.mutable_grad() = at::full({2}, scale); }

TEST(AdamW, TakesTheFirstStepOfItsFormula) {
  auto parameters = one_parameter();
  AdamW optimizer(parameters, {.learning_rate = 0.1, .adam_weight_decay = 0.5, .adam_epsilon = 1e-8});
  set_gradient(parameters, 3.0);
  optimizer.step(0.1);  // bias-corrected moments of one gradient g are g and g^2: the step is the rate, after the decay
  EXPECT_NEAR(parameters[0].second[0].item<double>(), 1.0 * (1 - 0.1 * 0.5) - 0.1, 1e-6);
  EXPECT_NEAR(parameters[0].second[1].item<double>(), -2.0 * (1 - 0.1 * 0.5) - 0.1, 1e-6);
  EXPECT_FALSE(parameters[0].second.grad().defined());
}

TEST(AdamW, GoesOnFromASavedState) {
  auto whole = one_parameter();
  AdamW straight(whole, {});
  for (int i = 1; i <= 4; ++i) {
    set_gradient(whole, i);
    straight.step(1e-2);
  }
  auto halves = one_parameter();
  TensorMap saved;
  for (int half = 0; half < 2; ++half) {
    AdamW optimizer(halves, {});
    if (half == 1) optimizer.load(saved);
    for (int i = 1 + 2 * half; i <= 2 + 2 * half; ++i) {
      set_gradient(halves, i);
      optimizer.step(1e-2);
    }
    for (const auto& [name, tensor] : optimizer.state()) saved[name] = tensor.clone();
  }
  EXPECT_TRUE(at::equal(whole[0].second, halves[0].second));
}

TEST(AdamW, RefusesAForeignState) {
  auto parameters = one_parameter();
  AdamW optimizer(parameters, {});
  EXPECT_THROW(optimizer.load({}), DataError);
  auto state = optimizer.state();
  state["w.exp_avg"] = at::zeros({3});
  EXPECT_THROW(optimizer.load(state), DataError);
}

TEST(AdamW, LeavesParametersWithoutAGradientAlone) {
  Named parameters{{"a", at::ones({2}).requires_grad_(true)}, {"b", at::ones({2}).requires_grad_(true)}};
  AdamW optimizer(parameters, {});
  parameters[0].second.mutable_grad() = at::ones({2});
  optimizer.step(0.1);
  EXPECT_FALSE(at::equal(parameters[0].second.detach(), at::ones({2})));
  EXPECT_TRUE(at::equal(parameters[1].second.detach(), at::ones({2})));
}

TEST(AdamW, ClipsToTheTotalNorm) {
  Named parameters{{"a", at::zeros({1}).requires_grad_(true)}, {"b", at::zeros({1}).requires_grad_(true)}};
  AdamW optimizer(parameters, {});
  parameters[0].second.mutable_grad() = at::full({1}, 3.0);
  parameters[1].second.mutable_grad() = at::full({1}, 4.0);
  EXPECT_FLOAT_EQ(optimizer.clip_gradients(0.0).item<float>(), 5.0f);
  EXPECT_FLOAT_EQ(parameters[0].second.grad().item<float>(), 3.0f);
  EXPECT_FLOAT_EQ(optimizer.clip_gradients(1.0).item<float>(), 5.0f);
  EXPECT_NEAR(parameters[0].second.grad().item<double>(), 0.6, 1e-6);
  EXPECT_NEAR(parameters[1].second.grad().item<double>(), 0.8, 1e-6);
}

TEST(Ema, WarmsUpAsDiffusersDoes) {
  Named parameters{{"w", at::zeros({1})}};
  Ema ema(parameters, 0.5);
  const auto update = [&](double value, std::int64_t step) {
    parameters[0].second.fill_(value);
    ema.update(parameters, step);
    return ema.averaged().at("w").item<double>();
  };
  EXPECT_NEAR(update(1.0, 0), 1.0, 1e-7);                        // decay 0
  EXPECT_NEAR(update(2.0, 1), 2.0 - 2.0 / 11.0, 1e-6);           // decay 2/11
  EXPECT_NEAR(update(0.0, 99), 0.5 * (2.0 - 2.0 / 11.0), 1e-6);  // decay 0.5, below 100/109
}

TEST(LearningRate, FollowsDiffusersSchedules) {
  EXPECT_DOUBLE_EQ(learning_rate_factor("constant", 0, 10, 100), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_factor("constant_with_warmup", 5, 10, 100), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor("constant_with_warmup", 50, 10, 100), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_factor("linear", 55, 10, 100), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor("linear", 100, 10, 100), 0.0);
  EXPECT_NEAR(learning_rate_factor("cosine", 40, 10, 100), 0.75, 1e-12);  // a third of the way: (1 + cos 60 degrees) / 2
  EXPECT_NEAR(learning_rate_factor("cosine", 100, 10, 100), 0.0, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate_factor("cosine", 0, 0, 100), 1.0);
  EXPECT_THROW(learning_rate_factor("cosin", 0, 0, 100), ConfigError);
}

}  // namespace
}  // namespace espalier::training
