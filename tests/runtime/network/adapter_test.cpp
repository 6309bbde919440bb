#include "runtime/network/adapter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "runtime/network/layers.h"

namespace espalier::network {
namespace {

using ::testing::ElementsAre, ::testing::HasSubstr, ::testing::ThrowsMessage;

constexpr std::int64_t kRank = 2;

// A linear map of 6 to 5 channels, convolutions of 4 to 3, and a norm; random, with adapters where they can be.
Weights with_adapters() {
  Weights weights{{"map.weight", at::randn({5, 6})},         {"map.bias", at::randn({5})},
                  {"map.inner.weight", at::randn({7})},  // sorts between the adapter and the weight of its parent
                  {"point.weight", at::randn({5, 6, 1, 1})}, {"point.bias", at::randn({5})},
                  {"conv.weight", at::randn({3, 4, 3, 3})},  {"conv.bias", at::randn({3})},
                  {"short.weight", at::randn({3, 4, 1, 1})}, {"short.bias", at::randn({3})},
                  {"norm.weight", at::randn({6})},           {"norm.bias", at::randn({6})}};
  for (const auto& module : adaptable_modules(weights)) {
    const auto shapes = adapter_shapes(weights.at(module + ".weight"), kRank);
    weights[module + ".lora_A.weight"] = at::randn(shapes.lora_A);
    weights[module + ".lora_B.weight"] = at::randn(shapes.lora_B);
  }
  return weights;
}

// W + B A.
at::Tensor merged(const Weights& weights, const std::string& module) {
  const auto &weight = weights.at(module + ".weight"), &a = weights.at(module + ".lora_A.weight"),
             &b = weights.at(module + ".lora_B.weight");
  return weight + at::einsum("or,ri->oi", {b.flatten(1), a.flatten(1)}).view(weight.sizes());
}

TEST(Adapter, LayersComputeWithWPlusBA) {
  const auto weights = with_adapters();
  const Scope scope(weights, "");
  const auto rows = at::randn({2, 3, 6}), image = at::randn({2, 4, 5, 5});
  const auto close = [](const at::Tensor& found, const at::Tensor& wanted) { return at::allclose(found, wanted, 1e-4, 1e-4); };
  EXPECT_TRUE(close(linear(scope.at("map"), rows), at::linear(rows, merged(weights, "map"), weights.at("map.bias"))));
  EXPECT_TRUE(close(projection(scope.at("map"), rows), at::linear(rows, merged(weights, "map"))));
  EXPECT_TRUE(close(linear(scope.at("point"), rows), at::linear(rows, merged(weights, "point").flatten(1), weights.at("point.bias"))));
  EXPECT_TRUE(close(conv2d(scope.at("conv"), image, 2, 1), at::conv2d(image, merged(weights, "conv"), weights.at("conv.bias"), 2, 1)));
  EXPECT_TRUE(close(channel_map(scope.at("short"), image), at::conv2d(image, merged(weights, "short"), weights.at("short.bias"))));
}

TEST(Adapter, IsAddedInFloat32AndRoundedOnce) {
  auto weights = with_adapters();
  for (auto& [name, tensor] : weights) {
    if (!is_adapter_weight(name)) tensor = tensor.to(at::kBFloat16);
  }
  const Scope scope(weights, "");
  const auto x = at::randn({2, 3, 6}).to(at::kBFloat16);
  const auto& [a, b] = std::tie(weights.at("map.lora_A.weight"), weights.at("map.lora_B.weight"));
  const auto y = at::linear(x, weights.at("map.weight"), weights.at("map.bias"));
  const auto wanted = (y.to(at::kFloat) + at::linear(at::linear(x.to(at::kFloat), a), b)).to(at::kBFloat16);
  const auto found = linear(scope.at("map"), x);
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(found, wanted));
}

TEST(Adapter, LayersWithoutOneComputeTheSameBits) {
  const auto weights = without_adapter(with_adapters());
  const Scope scope(weights, "");
  const auto rows = at::randn({2, 3, 6}), image = at::randn({2, 4, 5, 5});
  EXPECT_TRUE(at::equal(linear(scope.at("map"), rows), at::linear(rows, weights.at("map.weight"), weights.at("map.bias"))));
  EXPECT_TRUE(
      at::equal(conv2d(scope.at("conv"), image, 1, 1), at::conv2d(image, weights.at("conv.weight"), weights.at("conv.bias"), 1, 1)));
}

// A network that reads a weight with [] would leave its adapter out.
TEST(Adapter, WeightsThatAreReadBesideItAreRefused) {
  const auto weights = with_adapters();
  EXPECT_THAT([&] { Scope(weights, "map.")["weight"]; }, ThrowsMessage<DataError>(HasSubstr("'map.weight' has an adapter")));
  EXPECT_NO_THROW(Scope(weights, "norm.")["weight"]);
}

TEST(Adapter, MissingTensorsAreNamed) {
  auto weights = with_adapters();
  weights.erase("map.lora_B.weight");
  const auto x = at::randn({1, 6});
  EXPECT_THAT([&] { linear(Scope(weights, "map."), x); }, ThrowsMessage<DataError>(HasSubstr("'map.lora_B.weight'")));
  weights.erase("point.bias");
  EXPECT_THAT([&] { linear(Scope(weights, "point."), x); }, ThrowsMessage<DataError>(HasSubstr("'point.bias'")));
  EXPECT_THAT([&] { projection(Scope(weights, "nothing."), x); }, ThrowsMessage<DataError>(HasSubstr("'nothing.weight'")));
}

TEST(Adapter, MatricesAndConvolutionsCanHaveOne) {
  EXPECT_THAT(adaptable_modules(with_adapters()), ElementsAre("conv", "map", "point", "short"));
  const auto shapes = adapter_shapes(at::randn({3, 4, 3, 3}), 2);
  EXPECT_THAT(shapes.lora_A, ElementsAre(2, 4, 3, 3));
  EXPECT_THAT(shapes.lora_B, ElementsAre(3, 2, 1, 1));
}

TEST(Adapter, WeightsAreDividedWithoutCopies) {
  const auto weights = with_adapters();
  const auto adapter = adapter_of(weights), rest = without_adapter(weights);
  EXPECT_EQ(adapter.size(), 8U);
  EXPECT_EQ(adapter.size() + rest.size(), weights.size());
  EXPECT_EQ(rest.at("map.weight").data_ptr(), weights.at("map.weight").data_ptr());
  EXPECT_TRUE(has_adapter(weights));
  EXPECT_FALSE(has_adapter(rest));
}

}  // namespace
}  // namespace espalier::network
