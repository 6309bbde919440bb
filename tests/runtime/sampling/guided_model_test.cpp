#include "runtime/sampling/guided_model.h"

#include <ATen/ops/ones.h>
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
      GuidedModel(segment, scale).predict(noisy, 750.0);
      EXPECT_EQ(network->seen.scalar_type(), at::kFloat);
      EXPECT_TRUE(network->seen.eq(750.0).all().item<bool>());
    }
  }
}

}  // namespace
}  // namespace espalier::sampling
