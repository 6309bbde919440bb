// As torch.amp.GradScaler's documentation states its rule.
#include "runtime/training/gradient_scaler.h"

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <limits>

namespace espalier::training {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A weight with this gradient.
NamedParameters with_gradient(double gradient) {
  auto weight = at::full({2}, 1.0, at::kFloat);
  weight.requires_grad_();
  weight.mutable_grad() = at::full({2}, gradient, at::kFloat);
  return {{"w", weight}};
}

TEST(GradientScaler, DividesTheGradientsByItsScale) {
  GradientScaler scaler(true);
  const auto parameters = with_gradient(65536.0 * 3.0);
  EXPECT_EQ(scaler.scale(), 65536.0);
  EXPECT_TRUE(scaler.unscale(parameters));
  EXPECT_TRUE(parameters[0].second.grad().equal(at::full({2}, 3.0F)));
}

TEST(GradientScaler, LeavesOutAStepWhoseGradientsAreNotFiniteAndHalvesTheScale) {
  for (const double bad : {kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    GradientScaler scaler(true);
    auto parameters = with_gradient(1.0);
    parameters.push_back(with_gradient(bad).front());
    EXPECT_FALSE(scaler.unscale(parameters));
    EXPECT_FALSE(parameters[0].second.grad().defined()) << "of every parameter";
    EXPECT_FALSE(parameters[1].second.grad().defined());
    EXPECT_EQ(scaler.scale(), 32768.0);
  }
}

TEST(GradientScaler, DoublesTheScaleAfter2000FiniteStepsInARow) {
  GradientScaler scaler(true);
  const auto steps = [&](int count) {
    for (int i = 0; i < count; ++i) scaler.unscale(with_gradient(1.0));
  };
  steps(1999);
  scaler.unscale(with_gradient(kInfinity));
  steps(1999);
  EXPECT_EQ(scaler.scale(), 32768.0);
  GradientScaler again(true);
  again.load(scaler.state());
  scaler = again;
  steps(1);
  EXPECT_EQ(scaler.scale(), 65536.0);
}

TEST(GradientScaler, DoesNothingWhereItIsNotEnabled) {
  GradientScaler scaler(false);
  const auto parameters = with_gradient(kInfinity);
  EXPECT_TRUE(scaler.unscale(parameters));
  EXPECT_TRUE(parameters[0].second.grad().defined());
  EXPECT_EQ(scaler.scale(), 1.0);
}

}  // namespace
}  // namespace espalier::training
