#include "runtime/training/trainable_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/network/adapter.h"

namespace espalier::training {
namespace {

using ::testing::AllOf, ::testing::ElementsAre, ::testing::HasSubstr, ::testing::ThrowsMessage;

constexpr const char* kWho = "trainer.test";

Model model_of(std::int64_t width = 6) {
  Model model;
  model.weights = {{"unet.to_q.weight", at::randn({5, width})},
                   {"unet.to_q.bias", at::randn({5})},
                   {"unet.conv.weight", at::randn({4, width, 3, 3})},
                   {"text_encoder.to_q.weight", at::randn({5, 6})}};
  model.info.digest = digest_weights(model.weights);
  model.info.components = {"text_encoder", "unet"};
  model.info.modules = network::adaptable_modules(model.weights);
  return model;
}

LoraOptions lora_of(std::int64_t rank, std::vector<std::string> targets = {"to_q", "conv"}) {
  LoraOptions options;
  options.rank = rank;
  options.target_modules = std::move(targets);
  return options;
}

std::vector<std::string> names(const TrainableWeights& weights) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : weights.parameters()) names.push_back(name);
  return names;
}

// What training might give: every parameter moved.
Weights moved(const TrainableWeights& weights) {
  Weights trained;
  for (const auto& [name, parameter] : weights.parameters()) trained.emplace(name, parameter.detach() + 0.5);
  return trained;
}

TEST(LoraOptions, AnAlphaOfTheRankHasTheKeyOfNone) {
  const auto keyed = [](const Value::Map& given) {
    LoraOptions options;
    Schema schema;
    options.options(schema);
    EXPECT_TRUE(schema.read(Value(given)).empty());
    return schema.values(OptionRole::keyed);
  };
  EXPECT_EQ(keyed({}), Value());
  EXPECT_EQ(keyed({{"rank", 8}}), Value(Value::Map{{"rank", 8}}));
  EXPECT_EQ(keyed({{"rank", 8}, {"lora_alpha", 8}}), Value(Value::Map{{"rank", 8}}));
  EXPECT_EQ(keyed({{"rank", 8}, {"lora_alpha", 16}}), Value(Value::Map{{"rank", 8}, {"lora_alpha", 16.0}}));
}

TEST(TrainableWeights, OfComponentsAreCopiesAndTheOthersShared) {
  const auto model = model_of();
  TrainableWeights weights(kWho, model, {"unet"}, {}, 7);
  EXPECT_THAT(names(weights), ElementsAre("unet.conv.weight", "unet.to_q.bias", "unet.to_q.weight"));
  for (const auto& [name, tensor] : weights.current()) {
    const bool trained = name.starts_with("unet.");
    EXPECT_EQ(tensor.requires_grad(), trained) << name;
    EXPECT_EQ(tensor.data_ptr() == model.weights.at(name).data_ptr(), !trained) << name;
  }
  const auto result = weights.finish(moved(weights), model.info);
  EXPECT_EQ(result.info.digest, digest_weights(result.weights));
  EXPECT_EQ(result.info.adapter, "");
}

TEST(TrainableWeights, OfAnAdapterLeaveTheBaseAsItIs) {
  const auto model = model_of();
  auto options = lora_of(2, {"to_q"});
  options.lora_alpha = 3;
  TrainableWeights weights(kWho, model, {"unet"}, options, 7);
  EXPECT_THAT(names(weights), ElementsAre("unet.to_q.lora_A.weight", "unet.to_q.lora_B.weight"));
  const auto result = weights.finish(moved(weights), model.info);
  for (const auto& [name, tensor] : model.weights) EXPECT_EQ(result.weights.at(name).data_ptr(), tensor.data_ptr()) << name;
  EXPECT_TRUE(
      at::equal(result.weights.at("unet.to_q.lora_B.weight"), at::full_like(result.weights.at("unet.to_q.lora_B.weight"), 0.5 * 1.5)))
      << "what a model holds has the scale in it";
  EXPECT_EQ(result.info.base, model.info.digest);
  EXPECT_EQ(result.info.digest, digest_with_adapter(model.info.digest, digest_weights(network::adapter_of(result.weights))));
}

TEST(TrainableWeights, OfAnAdapterHaveTheScaleInWhatTheNetworkTakes) {
  const auto model = model_of();
  for (const bool rslora : {false, true}) {
    auto options = lora_of(4, {"to_q"});
    options.lora_alpha = 6;
    options.use_rslora = rslora;
    TrainableWeights weights(kWho, model, {"unet"}, options, 7);
    weights.current().at("unet.to_q.lora_B.weight").sum().backward();
    EXPECT_NEAR(weights.parameters().at(1).second.grad().mean().item<double>(), rslora ? 3.0 : 1.5, 1e-6);
  }
}

// PEFT's: gaussian N(0, 1/r^2); true U(+-1/sqrt(fan_in)), whose deviation is 1/sqrt(3 fan_in).
TEST(TrainableWeights, BeginAnAdapterAsPeftDoes) {
  const auto model = model_of(2000);
  for (const bool gaussian : {true, false}) {
    auto options = lora_of(8);
    if (!gaussian) options.init_lora_weights = "true";
    TrainableWeights weights(kWho, model, {"unet"}, options, 7);
    for (const auto& [name, parameter] : weights.parameters()) {
      SCOPED_TRACE(name);
      EXPECT_EQ(parameter.scalar_type(), at::kFloat);
      const auto values = parameter.detach();
      if (name.ends_with("lora_B.weight")) {
        EXPECT_EQ(values.abs().max().item<double>(), 0.0);
        continue;
      }
      const auto count = static_cast<double>(values.numel());
      const double fan_in = count / 8, deviation = gaussian ? 1.0 / 8 : 1 / std::sqrt(3 * fan_in);
      EXPECT_NEAR(values.mean().item<double>(), 0.0, 4 * deviation / std::sqrt(count));
      EXPECT_NEAR(values.std().item<double>(), deviation, 4 * deviation / std::sqrt(2 * count));
      const auto largest = values.abs().max().item<double>();
      EXPECT_GT(largest, gaussian ? 3 * deviation : 0.99 / std::sqrt(fan_in));
      EXPECT_LE(largest, gaussian ? 6 * deviation : 1 / std::sqrt(fan_in));
    }
  }
}

TEST(TrainableWeights, BeginAsAFunctionOfSeedAndModule) {
  const auto model = model_of();
  const auto first = [&](std::uint64_t seed, std::vector<std::string> targets) {
    return TrainableWeights(kWho, model, {"unet"}, lora_of(2, std::move(targets)), seed).current().at("unet.to_q.lora_A.weight");
  };
  EXPECT_TRUE(at::equal(first(7, {"to_q"}), first(7, {"to_q", "conv"})));
  EXPECT_FALSE(at::equal(first(7, {"to_q"}), first(8, {"to_q"})));
}

TEST(TrainableWeights, GoOnFromAnAdapterThatIsThere) {
  const auto model = model_of();
  auto options = lora_of(2);
  options.lora_alpha = 4;
  TrainableWeights first(kWho, model, {"unet"}, options, 7);
  const auto tuned = first.finish(moved(first), model.info);
  TrainableWeights second(kWho, tuned, {"unet"}, options, 8);
  for (std::size_t i = 0; i < first.parameters().size(); ++i) {
    EXPECT_TRUE(at::allclose(second.parameters()[i].second, first.parameters()[i].second + 0.5)) << first.parameters()[i].first;
  }
  const auto again = second.finish(moved(second), tuned.info);
  EXPECT_EQ(again.info.base, model.info.digest) << "of both the base is the model without an adapter";
  EXPECT_NE(again.info.digest, tuned.info.digest);
  const auto refusal = [&](const LoraOptions& other) { return [&, other] { TrainableWeights(kWho, tuned, {"unet"}, other, 7); }; };
  EXPECT_THAT(refusal(lora_of(3)), ThrowsMessage<ConfigError>(AllOf(HasSubstr("rank is 3"), HasSubstr("has rank 2"))));
  EXPECT_THAT(refusal(lora_of(2, {"to_q"})), ThrowsMessage<ConfigError>(HasSubstr("'unet.conv', which target_modules leaves out")));
  EXPECT_THAT(refusal({}), ThrowsMessage<ConfigError>(HasSubstr("the model has an adapter")));
}

TEST(TrainableWeights, RefuseAnAdapterThatNothingTrained) {
  const auto model = model_of();
  TrainableWeights weights(kWho, model, {"unet"}, lora_of(2), 7);
  Weights same(weights.parameters().begin(), weights.parameters().end());
  EXPECT_THAT([&] { weights.finish(same, model.info); }, ThrowsMessage<StageError>(HasSubstr("every lora_B is 0")));
}

TEST(LoraOptions, TargetsAreEndsOfModulesNames) {
  const std::vector<std::string> modules = {"unet.attn.to_out.0", "unet.attn.to_q", "unet.attn.xto_q", "text_encoder.to_q"};
  EXPECT_THAT(lora_of(1, {"to_q", "to_out.0"}).targets(kWho, modules, {"unet"}), ElementsAre("unet.attn.to_out.0", "unet.attn.to_q"));
  EXPECT_THAT([&] { lora_of(1, {"to_k"}).targets(kWho, modules, {"unet"}); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("'to_k'"), HasSubstr("to_out.0, to_q, xto_q"))));
  EXPECT_THAT([&] { lora_of(1, {"to_q"}).targets(kWho, modules, {"text_encoder"}); },
              ThrowsMessage<ConfigError>(HasSubstr("text encoders")));
}

TEST(LoraOptions, WithoutARankAreRefused) {
  LoraOptions options;
  EXPECT_NO_THROW(options.check(kWho));
  options.use_rslora = true;
  EXPECT_THAT([&] { options.check(kWho); }, ThrowsMessage<ConfigError>(AllOf(HasSubstr("use_rslora is set"), HasSubstr("rank is 0"))));
  options.rank = 4;
  EXPECT_NO_THROW(options.check(kWho));
}

TEST(LoraOptions, AreReadUnderPeftsNamesAndLeftOutOfKeysAtTheirDefaults) {
  LoraOptions options;
  Schema schema;
  options.options(schema);
  EXPECT_EQ(schema.values(OptionRole::keyed), Value());
  EXPECT_TRUE(schema.read(Value::Map{{"rank", 4}, {"init_lora_weights", true}}).empty());
  EXPECT_EQ(options.init_lora_weights, "true");
  const auto problems = schema.read(Value::Map{{"init_lora_weights", "pissa"}});
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems.front().message, AllOf(HasSubstr("gaussian or true"), HasSubstr("pissa")));
}

TEST(LoraOptions, PlanWhatTheModelWillBe) {
  auto info = model_of().info;
  const auto base = info.digest;
  lora_of(2).plan(kWho, {"unet"}, info);
  EXPECT_EQ(info.base, base);
  EXPECT_NE(info.adapter, "");
  EXPECT_THAT([&] { LoraOptions().plan(kWho, {"unet"}, info); }, ThrowsMessage<ConfigError>(HasSubstr("has an adapter")));
  auto other = model_of().info;
  EXPECT_THAT([&] { lora_of(2, {"to_v"}).plan(kWho, {"unet"}, other); }, ThrowsMessage<ConfigError>(HasSubstr("'to_v'")));
}

}  // namespace
}  // namespace espalier::training
