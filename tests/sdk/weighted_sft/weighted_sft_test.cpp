#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/conformance/conformance.h"
#include "tests/runtime/training/linear_gaussian.h"

namespace espalier::sft {
namespace {

using conformance::Options;

PluginEntry entry() { return conformance::plugin("trainer.weighted_sft"); }

// Samples about +1 score 0.5, those about -1 score -0.5: the network learns the Gaussian of their weighted mean and variance.
TEST(WeightedSft, LearnsTheWeightedSamples) {
  Accepted accepted(64, 0.3, std::vector<double>(64, 1.0));
  std::vector<double> weight;
  for (std::size_t i = 0; i < 64; ++i) {
    accepted.score[i] = i % 2 == 0 ? 0.5 : -0.5;
    weight.push_back(std::exp(accepted.score[i] / 0.5));
  }
  auto share = at::tensor(weight, at::kDouble);
  share = (share / share.sum() / static_cast<double>(kElements)).unsqueeze(1);
  const double mean = (accepted.clean * share).sum().item<double>();
  const double variance = ((accepted.clean - mean).square() * share).sum().item<double>();
  ASSERT_GT(mean, 0.5);
  Training training;
  training.selection = &accepted;
  const Options options = {{"temperature", 0.5},       {"max_train_steps", 800},   {"train_batch_size", 64}, {"learning_rate", 0.05},
                           {"lr_scheduler", "cosine"}, {"adam_weight_decay", 0.0}, {"max_grad_norm", 0.0}};
  const auto model = training.run(*conformance::make<Trainer>(entry(), options));
  for (std::int64_t t = 0; t < kTimesteps; ++t) {
    const double abar = alpha_bars()[static_cast<std::size_t>(t)];
    const double gain = std::sqrt(1 - abar) / (abar * variance + 1 - abar);
    const double learnt = model.weights.at("unet.gain")[t].item<double>();
    const double shift = learnt * model.weights.at("text_encoder.shift")[0].item<double>();
    EXPECT_NEAR(learnt, gain, 0.06) << t;
    EXPECT_NEAR(shift + model.weights.at("unet.offset")[0][t].item<double>(), -gain * std::sqrt(abar) * mean, 0.06) << t;
  }
}

}  // namespace
}  // namespace espalier::sft
