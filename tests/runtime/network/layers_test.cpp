#include "runtime/network/layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

namespace espalier::network {
namespace {

at::Tensor values() { return at::linspace(-3, 3, 32).view({2, 4, 2, 2}); }

TEST(Layers, SiluIsXTimesItsSigmoid) {
  const auto x = values();
  EXPECT_TRUE(at::allclose(silu(x), x * x.sigmoid()));
}

// Also where no gradient is recorded, which is where a network may work in place on its own temporaries.
TEST(Layers, LeaveWhatTheyAreGivenAsItWas) {
  const at::NoGradGuard no_grad;
  const auto x = values();
  const TensorMap weights{{"weight", at::ones({4})},
                          {"bias", at::ones({4})},
                          {"map.weight", at::ones({3, 2})},
                          {"map.bias", at::ones({3})},
                          {"conv.weight", at::ones({5, 4, 1, 1})},
                          {"conv.bias", at::ones({5})},
                          {"norm.weight", at::ones({2})},
                          {"norm.bias", at::ones({2})}};
  const Scope scope(weights, "");
  const auto rows = x.view({2, 8, 2});
  silu(x);
  group_norm(scope, x, 2, 1e-5);
  layer_norm(scope.at("norm"), x, 1e-5);
  linear(scope.at("map"), x);
  projection(scope.at("map"), x);
  conv2d(scope.at("conv"), x, 1, 0);
  attention(rows, rows, rows, 1);
  const auto timestep = at::ones({3});
  timestep_sinusoids(timestep, 4, true, 0);
  EXPECT_TRUE(at::equal(x, values()));
  EXPECT_TRUE(at::equal(timestep, at::ones({3})));
  for (const auto& [name, tensor] : weights) EXPECT_TRUE(at::equal(tensor, at::ones(tensor.sizes()))) << name;
}

}  // namespace
}  // namespace espalier::network
