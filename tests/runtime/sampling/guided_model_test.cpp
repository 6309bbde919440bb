#include "runtime/sampling/guided_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "runtime/sampling/embedding.h"
#include "tests/conformance/toy.h"

namespace espalier::sampling {
namespace {

// Keeps the timesteps that it is given.
class Timed final : public Network {
 public:
  Value architecture() const override { return {}; }
  TensorMap embed(const Weights&, const TensorMap& condition) const override { return condition; }
  Weights initialize(std::uint64_t) const override { return {}; }
  State predict(const Weights&, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    seen = timestep;
    return noisy;
  }
  mutable at::Tensor seen;
};

// bfloat16 has 8 bits: it turns 750 into 752, and 999 into 1000.
TEST(GuidedModel, GivesTimestepsInFloat32WhateverTheStatesDtype) {
  auto model = conformance::toy_model();
  const auto network = std::make_shared<Timed>();
  model.network = network;
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const State noisy = {{"sample", at::ones({2, 3, 8, 8}, dtype)}};
    const auto conditions = conformance::toy_domain()->data().conditions("train");
    const auto segment = segment_model(std::make_shared<const Model>(model), conditions.rows({0, 1}).tensors, 2, conditions.null_tensors);
    for (const double scale : {1.0, 2.0}) {
      GuidedModel(segment, {.scale = scale}).predict(noisy, 750.0);
      EXPECT_EQ(network->seen.scalar_type(), at::kFloat);
      EXPECT_TRUE(network->seen.eq(750.0).all().item<bool>());
    }
  }
}

// Predicts the state times the condition's "gain".
class Gain final : public Network {
 public:
  Value architecture() const override { return {}; }
  TensorMap embed(const Weights&, const TensorMap& condition) const override { return condition; }
  Weights initialize(std::uint64_t) const override { return {}; }
  State predict(const Weights&, const State& noisy, const at::Tensor&, const TensorMap& embedded) const override {
    return {{"x", noisy.at("x") * embedded.at("gain").view({-1, 1, 1})}};
  }
};

// Guidance by 3 makes the gain 1 + 3 (2 - 1) = 4 of a row whose own is 2; rescaled by r it is 2 r + 4 (1 - r). Of the other row 1 + 3 (-3)
// = -8 of -2, and -2 r - 8 (1 - r).
TEST(GuidedModel, RescalesTheDeviationOfEachRowToThatOfTheConditionalPrediction) {
  auto model = conformance::toy_model();
  model.network = std::make_shared<Gain>();
  const auto own = std::make_shared<const Model>(model);
  const TensorMap given{{"gain", at::tensor({2.0F, -2.0F})}}, null{{"gain", at::tensor({1.0F})}};
  const auto segment = segment_model(own, given, 2, null);
  const State noisy{{"x", at::tensor({1.0F, 2.0F, 5.0F, -1.0F, 0.0F, 3.0F, 4.0F, 4.5F}).view({2, 2, 2})}};
  for (const double r : {0.0, 0.25, 1.0}) {
    const auto out = GuidedModel(segment, {.scale = 3.0, .rescale = r}).predict(noisy, 500.0).at("x");
    EXPECT_TRUE(at::allclose(out[0], noisy.at("x")[0] * (2 * r + 4 * (1 - r)), 1e-5)) << r;
    EXPECT_TRUE(at::allclose(out[1], noisy.at("x")[1] * (-2 * r - 8 * (1 - r)), 1e-5)) << r;
  }
}

}  // namespace
}  // namespace espalier::sampling
