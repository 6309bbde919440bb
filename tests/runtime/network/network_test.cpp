#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/network/clip_text.h"
#include "runtime/network/unet.h"

namespace espalier::network {
namespace {

Value small_config() {
  return Value::Map{{"in_channels", 1},
                    {"out_channels", 1},
                    {"block_out_channels", Value::List{8, 16}},
                    {"layers_per_block", 1},
                    {"norm_num_groups", 4},
                    {"down_block_types", Value::List{"DownBlock2D", "CrossAttnDownBlock2D"}},
                    {"up_block_types", Value::List{"CrossAttnUpBlock2D", "UpBlock2D"}},
                    {"attention_head_dim", 4},
                    {"cross_attention_dim", 12}};
}

std::string refusal(Value config, const std::string& key, Value value) {
  config[key] = std::move(value);
  try {
    const UNet unet(config, "unet/config.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(UNet, CompletesItsConfigAndReadsItBack) {
  const UNet unet(small_config(), "config.json");
  EXPECT_EQ(unet.config().as_map().size(), 50u);  // as many keys as diffusers 0.42.1 writes
  EXPECT_EQ(UNet(unet.config(), "again").config(), unet.config());
  EXPECT_EQ(parse_json(to_json(unet.config()), "json"), unet.config());
}

TEST(UNet, RefusesWhatItDoesNotSupportByName) {
  using testing::AllOf, testing::HasSubstr;
  EXPECT_THAT(refusal(small_config(), "norm_num_group", 4),
              AllOf(HasSubstr("unet/config.json"), HasSubstr("did you mean 'norm_num_groups'")));
  EXPECT_THAT(refusal(small_config(), "dual_cross_attention", true), HasSubstr("dual_cross_attention = true is not supported"));
  EXPECT_THAT(refusal(small_config(), "act_fn", "mish"), HasSubstr("act_fn"));
  EXPECT_THAT(refusal(small_config(), "time_cond_proj_dim", 256), HasSubstr("time_cond_proj_dim = 256 is not supported"));
  EXPECT_THAT(refusal(small_config(), "addition_embed_type", "image"),
              AllOf(HasSubstr("addition_embed_type"), HasSubstr("it must be text")));
  EXPECT_THAT(refusal(small_config(), "mid_block_type", "UNetMidBlock2DSimpleCrossAttn"), HasSubstr("mid_block_type"));
  EXPECT_THAT(refusal(small_config(), "up_block_types", Value::List{"UpBlock2D"}), HasSubstr("as long as block_out_channels"));
  EXPECT_THAT(refusal(small_config(), "norm_num_groups", 3), HasSubstr("does not divide"));
  EXPECT_THAT(refusal(small_config(), "attention_head_dim", 3), HasSubstr("does not divide"));
  EXPECT_THAT(refusal(small_config(), "in_channels", 0), HasSubstr("in_channels = 0"));
  EXPECT_THAT(refusal(small_config(), "_class_name", "UNet2DModel"), HasSubstr("UNet2DConditionModel"));
}

TEST(UNet, AcceptsDefaultsInAnySpelling) {
  EXPECT_EQ(refusal(small_config(), "only_cross_attention", Value::List{false, false}), "no error");
  EXPECT_EQ(refusal(small_config(), "dropout", 0), "no error");
  auto spelt = small_config();
  spelt["mid_block_scale_factor"] = 1;
  spelt["_diffusers_version"] = "0.9.0";
  EXPECT_EQ(UNet(spelt, "a").config(), UNet(small_config(), "b").config());
}

TEST(UNet, ChecksWeightsByName) {
  const UNet unet(small_config(), "config.json");
  const auto message = [&unet](const TensorMap& weights) -> std::string {
    try {
      unet.check(weights, "unet.", "model");
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  };
  auto weights = unet.initialize("unet.", 1);
  weights["text_encoder.other"] = at::zeros({1});  // behind another prefix
  EXPECT_EQ(message(weights), "no error");
  weights["unet.conv_inn.weight"] = at::zeros({1});
  EXPECT_THAT(message(weights), testing::HasSubstr("did you mean 'unet.conv_in.weight'"));
  weights.erase("unet.conv_inn.weight");
  weights["unet.conv_in.bias"] = at::zeros({9});
  EXPECT_THAT(message(weights), testing::HasSubstr("'unet.conv_in.bias' has the shape [9], the config asks for [8]"));
  weights.erase("unet.conv_in.bias");
  EXPECT_THAT(message(weights), testing::HasSubstr("no tensor 'unet.conv_in.bias'"));
  EXPECT_THROW(unet.forward(weights, "unet.", at::zeros({1, 1, 8, 8}), at::zeros({1}), {at::zeros({1, 3, 12})}), DataError);
}

TEST(UNet, InitialisesAsAFunctionOfSeedAndPrefix) {
  const UNet unet(small_config(), "config.json");
  const auto first = unet.initialize("unet.", 1);
  const auto again = unet.initialize("unet.", 1);
  for (const auto& [name, tensor] : first) EXPECT_TRUE(at::equal(tensor, again.at(name))) << name;
  EXPECT_FALSE(at::equal(first.at("unet.conv_in.weight"), unet.initialize("unet.", 2).at("unet.conv_in.weight")));
  EXPECT_FALSE(at::equal(first.at("unet.conv_in.weight"), unet.initialize("corrector.", 1).at("corrector.conv_in.weight")));
  const auto& weight = first.at("unet.mid_block.resnets.0.conv1.weight");  // uniform in +-1/sqrt(fan in): variance 1/(3 fan in)
  EXPECT_NEAR(weight.square().mean().item<double>() * 3 * 16 * 9, 1.0, 0.1);
  EXPECT_LE(weight.abs().max().item<double>(), 1 / std::sqrt(16.0 * 9));
}

// bfloat16 would turn 750 into 752, and the sinusoids of a timestep are those of float32.
TEST(UNet, EmbedsTimestepsInFloat32WhateverTheDtypeOfTheWeights) {
  const UNet unet(small_config(), "config.json");
  TensorMap weights;
  for (auto& [name, tensor] : unet.initialize("unet.", 3)) weights.emplace(name, tensor.to(at::kBFloat16));
  const auto x = at::randn({2, 1, 8, 8}, at::kBFloat16), text = at::randn({2, 3, 12}, at::kBFloat16);
  const auto at_timestep = [&](double t) { return unet.forward(weights, "unet.", x, at::full({2}, t, at::kFloat), {text}); };
  EXPECT_TRUE(at::equal(at_timestep(750), at_timestep(750)));
  EXPECT_FALSE(at::equal(at_timestep(750), at_timestep(752)));
  EXPECT_EQ(at_timestep(750).scalar_type(), at::kBFloat16);
}

TEST(UNet, NeedsATextOnlyWhereTheConfigAttends) {
  const UNet attends(small_config(), "config.json");
  const auto weights = attends.initialize("", 1);
  EXPECT_THROW(attends.forward(weights, "", at::zeros({1, 1, 8, 8}), at::zeros({1}), {}), InternalError);
}

TEST(ClipText, RenamesWhatNewerTransformersWrite) {
  const ClipText text(
      Value::Map{{"vocab_size", 30}, {"hidden_size", 8}, {"intermediate_size", 16}, {"num_hidden_layers", 1}, {"num_attention_heads", 2}},
      "config.json");
  const auto weights = text.initialize("text_encoder.", 3);
  TensorMap newer{{"unet.x", at::zeros({1})}, {"text_encoder.text_model.embeddings.position_ids", at::zeros({1, 77})}};
  newer["text_encoder.embeddings.position_ids"] = at::zeros({1, 77});
  for (const auto& [name, tensor] : weights) newer["text_encoder." + name.substr(std::string("text_encoder.text_model.").size())] = tensor;
  const auto renamed = ClipText::rename(newer, "text_encoder.");
  text.check(renamed, "text_encoder.", "here");
  EXPECT_EQ(renamed.size(), weights.size() + 1);
}

TEST(ClipText, RefusesUnknownKeysAndLongTexts) {
  EXPECT_THROW(ClipText(Value::Map{{"hidden_sise", 8}}, "config.json"), DataError);
  EXPECT_THROW(ClipText(Value::Map{{"hidden_act", "relu"}}, "config.json"), DataError);
  EXPECT_THROW(ClipText(Value::Map{{"num_attention_heads", 7}}, "config.json"), DataError);
  const ClipText text(Value::Map{{"vocab_size", 30}, {"hidden_size", 8}, {"num_hidden_layers", 1}, {"max_position_embeddings", 4}},
                      "config.json");
  EXPECT_THROW(text.forward(text.initialize("", 1), "", at::zeros({1, 5}, at::kLong)), DataError);
}

}  // namespace
}  // namespace espalier::network
