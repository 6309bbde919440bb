// Prompts as U-Nets of Stable Diffusion take them. That the numbers are diffusers' is parity.py's to show (stable_diffusion).
#include "runtime/network/unet_network.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/network/flops.h"
#include "runtime/network/text_role.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::network {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int64_t kLength = 7;

Value clip_config(std::int64_t width, bool projection) {
  return Value::Map{{"architectures", Value::List{projection ? "CLIPTextModelWithProjection" : "CLIPTextModel"}},
                    {"eos_token_id", 2},
                    {"hidden_size", width},
                    {"intermediate_size", 16},
                    {"num_hidden_layers", 3},
                    {"num_attention_heads", 2},
                    {"max_position_embeddings", kLength},
                    {"projection_dim", 10},
                    {"vocab_size", 30}};
}

Value unet_config(std::int64_t text_width) {
  return Value::Map{{"block_out_channels", Value::List{8, 16}},
                    {"layers_per_block", 1},
                    {"norm_num_groups", 4},
                    {"down_block_types", Value::List{"DownBlock2D", "CrossAttnDownBlock2D"}},
                    {"up_block_types", Value::List{"CrossAttnUpBlock2D", "UpBlock2D"}},
                    {"attention_head_dim", 4},
                    {"cross_attention_dim", text_width},
                    {"sample_size", Value::List{16, 32}}};
}

ComponentConfigs one_encoder() { return {{"unet", {unet_config(8), "unet/config.json"}}, {"text_encoder", {clip_config(8, false), ""}}}; }

ComponentConfigs two_encoders() {
  auto unet = unet_config(20);
  unet["addition_embed_type"] = "text_time";
  unet["addition_time_embed_dim"] = 6;
  unet["projection_class_embeddings_input_dim"] = 10 + 6 * 6;
  return {
      {"unet", {unet, "unet/config.json"}}, {"text_encoder", {clip_config(8, false), ""}}, {"text_encoder_2", {clip_config(12, true), ""}}};
}

struct Made {
  explicit Made(const ComponentConfigs& configs, const NetworkSettings& settings = {})
      : network(make_unet_network(configs, settings)), weights(network->initialize(1)) {}
  TensorMap embed(const TensorMap& condition) const { return network->embed(weights, condition); }
  std::shared_ptr<const Network> network;
  Weights weights;
};

// Three rows of ids: a prompt, a negative prompt, none.
TensorMap rows() {
  const auto ids = at::randint(0, 29, {3, kLength}, at::kLong), others = at::randint(0, 29, {3, kLength}, at::kLong);
  ids.select(1, 4).fill_(29);
  others.select(1, 3).fill_(29);
  const std::vector<std::int64_t> roles{0, 1, 2};
  return {{"input_ids", ids}, {"input_ids_2", others}, {"text_role", at::tensor(roles, at::kLong)}};
}

TEST(UNetNetwork, JoinsTwoTextEncodersAndAddsThePooledTextAndTheSizes) {
  const Made made(two_encoders());
  const auto embedded = made.embed(rows());
  EXPECT_EQ(embedded.at("encoder_hidden_states").sizes().vec(), (std::vector<std::int64_t>{3, kLength, 20}));
  EXPECT_EQ(embedded.at("text_embeds").sizes().vec(), (std::vector<std::int64_t>{3, 10}));
  const std::vector<float> sizes{128, 256, 0, 0, 128, 256};  // without a VAE a latent stands for 8 x 8 pixels
  EXPECT_TRUE(embedded.at("time_ids").equal(at::tensor(sizes).expand({3, -1})));
  const State noisy{{"sample", at::zeros({3, 4, 16, 32})}};
  const auto predict = [&](const TensorMap& with) {
    return made.network->predict(made.weights, noisy, at::full({3}, 500.0), with).at("sample");
  };
  for (const auto& [name, tensor] : embedded) {
    auto other = embedded;
    other[name] = tensor + 1.0;
    EXPECT_FALSE(predict(embedded).equal(predict(other))) << name << " enters the prediction";
  }
}

// Known from the structure, and equal to what a pass runs.
TEST(UNetNetwork, KnowsItsFlops) {
  auto pooled = one_encoder();
  auto& unet = pooled.at("unet").config;
  unet["addition_embed_type"] = "text";
  unet["addition_embed_type_num_heads"] = 2;
  unet["conv_in_kernel"] = 5;
  unet["mid_block_type"] = nullptr;
  unet["transformer_layers_per_block"] = 2;
  for (const auto& configs : {one_encoder(), two_encoders(), pooled}) {
    const Made made(configs);
    const at::NoGradGuard no_grad;
    const auto condition = made.embed(tensor::rows(rows(), {0}));
    const State noisy{{"sample", at::zeros({1, 4, 16, 32})}};
    const auto counted = count_flops([&] { made.network->predict(made.weights, noisy, at::full({1}, 500.0), condition); });
    EXPECT_EQ(made.network->flops({{"sample", {{4, 16, 32}}}}), counted);
  }
}

// A VAE that overflows in float16 (force_upcast), which diffusers converts in its pipeline of SDXL alone.
TEST(UNetNetwork, KeepsTheVaeOfSdxlInFloat32WhereTheRestIsFloat16) {
  const Value vae = Value::Map{{"block_out_channels", Value::List{4, 8}},
                               {"down_block_types", Value::List{"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                               {"up_block_types", Value::List{"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                               {"norm_num_groups", 4}};
  const auto dtype = [&](ComponentConfigs configs, bool force_upcast, const char* weight, at::ScalarType wanted) {
    configs["vae"] = {vae, "vae/config.json"};
    configs["vae"].config["force_upcast"] = force_upcast;
    return make_unet_network(configs, {})->weight_dtype(weight, wanted);
  };
  EXPECT_EQ(dtype(two_encoders(), true, "vae.decoder.conv_in.weight", at::kHalf), at::kFloat);
  EXPECT_EQ(dtype(two_encoders(), true, "vae.decoder.conv_in.weight", at::kBFloat16), at::kBFloat16);
  EXPECT_EQ(dtype(two_encoders(), true, "unet.conv_in.weight", at::kHalf), at::kHalf);
  EXPECT_EQ(dtype(two_encoders(), false, "vae.decoder.conv_in.weight", at::kHalf), at::kHalf);
  EXPECT_EQ(dtype(one_encoder(), true, "vae.decoder.conv_in.weight", at::kHalf), at::kHalf);
}

TEST(UNetNetwork, SizesAreTheSettingsOrFollowFromTheVae) {
  auto configs = two_encoders();
  configs["vae"] = {Value::Map{{"block_out_channels", Value::List{4, 8}},
                               {"down_block_types", Value::List{"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                               {"up_block_types", Value::List{"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                               {"norm_num_groups", 4}},
                    "vae/config.json"};
  NetworkSettings settings;
  settings.original_size = {1024, 768};
  settings.crops_coords_top_left = {16, 0};
  const std::vector<float> sizes{1024, 768, 16, 0, 32, 64};
  EXPECT_TRUE(Made(configs, settings).embed(rows()).at("time_ids")[0].equal(at::tensor(sizes)));
}

TEST(UNetNetwork, EmbedsANullConditionAsZerosOnlyWithoutANegativePrompt) {
  NetworkSettings settings;
  settings.force_zeros_for_empty_prompt = true;
  const auto condition = rows();
  const auto encoded = Made(two_encoders()).embed(condition), zeroed = Made(two_encoders(), settings).embed(condition);
  for (const char* name : {"encoder_hidden_states", "text_embeds"}) {
    EXPECT_TRUE(zeroed.at(name).narrow(0, 0, 2).equal(encoded.at(name).narrow(0, 0, 2))) << name;
    EXPECT_EQ(zeroed.at(name)[2].abs().max().item<float>(), 0.0F) << name;
    EXPECT_GT(encoded.at(name)[2].abs().max().item<float>(), 0.0F) << name;
  }
  EXPECT_TRUE(zeroed.at("time_ids").equal(encoded.at("time_ids"))) << "sizes are no text";
}

TEST(UNetNetwork, SkipsLayersOfPromptsAlone) {
  NetworkSettings settings;
  settings.clip_skip = 1;
  for (const auto& configs : {one_encoder(), two_encoders()}) {
    const auto condition = rows();
    const auto plain = Made(configs).embed(condition).at("encoder_hidden_states");
    const auto skipped = Made(configs, settings).embed(condition).at("encoder_hidden_states");
    EXPECT_FALSE(skipped[0].equal(plain[0]));
    EXPECT_TRUE(skipped.narrow(0, 1, 2).equal(plain.narrow(0, 1, 2)));
  }
}

std::string refusal(const ComponentConfigs& configs, const NetworkSettings& settings = {}) {
  try {
    make_unet_network(configs, settings);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(UNetNetwork, DoesNotKnowTheCostOfStatesThatAreNoImages) {
  const auto network = make_unet_network(one_encoder(), {});
  EXPECT_EQ(network->flops({{"sample", {{4}}}}), 0.0);
  EXPECT_EQ(network->flops({{"token", {{20}}}}), 0.0);
}

TEST(UNetNetwork, RefusesComponentsThatDoNotFit) {
  auto configs = two_encoders();
  configs.erase("text_encoder");
  EXPECT_THAT(refusal(configs), HasSubstr("needs text_encoder and text_encoder_2, but the folder has text_encoder_2 alone"));
  configs = one_encoder();
  configs["text_encoder_2"] = {clip_config(12, true), ""};
  EXPECT_THAT(refusal(configs), HasSubstr("has a text_encoder_2, but addition_embed_type is null; it must be \"text_time\""));
  configs = two_encoders();
  configs["text_encoder_2"].config = clip_config(12, false);
  EXPECT_THAT(refusal(configs), HasSubstr("text_encoder_2 has no text_projection"));
  configs = two_encoders();
  configs["text_encoder_2"].config["hidden_size"] = 16;
  EXPECT_THAT(refusal(configs), HasSubstr("cross_attention_dim is 20, but the text encoders' hidden_size add up to 24"));
  configs = two_encoders();
  configs["unet"].config["addition_time_embed_dim"] = 8;
  EXPECT_THAT(refusal(configs), AllOf(HasSubstr("projection_class_embeddings_input_dim is 46"), HasSubstr("10 + 6 * 8 = 58")));
  configs["unet"].config["addition_time_embed_dim"] = nullptr;
  EXPECT_THAT(refusal(configs), HasSubstr("addition_time_embed_dim"));
  configs = two_encoders();
  configs["unet"].config["sample_size"] = nullptr;
  EXPECT_THAT(refusal(configs), HasSubstr("sample_size is null"));
}

TEST(UNetNetwork, RefusesSettingsThatDoNotFit) {
  NetworkSettings settings;
  settings.clip_skip = 3;
  EXPECT_THAT(refusal(one_encoder(), settings), HasSubstr("clip_skip = 3 leaves no layer of text_encoder; it must be at most 2"));
  settings.clip_skip = 2;
  EXPECT_EQ(refusal(one_encoder(), settings), "no error");
  EXPECT_THAT(refusal(two_encoders(), settings), HasSubstr("it must be at most 1"));
  settings = {};
  settings.target_size = {512, 512};
  EXPECT_THAT(refusal(one_encoder(), settings), HasSubstr("takes no target_size"));
  settings = {};
  settings.sample_mode = "sample";
  EXPECT_THAT(refusal(one_encoder(), settings), HasSubstr("the model has no vae"));
  settings = {};
  settings.vae_tiling = true;
  EXPECT_THAT(refusal(one_encoder(), settings), HasSubstr("the model has no vae, which vae_tiling would compute in tiles"));
}

TEST(NetworkSettings, ReadTheirKeysAndGiveBackThoseThatAreNotDefaults) {
  NetworkSettings settings;
  EXPECT_EQ(settings.to_value(), Value(Value::Map{}));
  const Value given = Value::Map{{"clip_skip", 2},
                                 {"force_zeros_for_empty_prompt", true},
                                 {"sample_mode", "sample"},
                                 {"vae_tiling", true},
                                 {"original_size", Value::List{768, 512}}};
  settings.read(given, "here");
  EXPECT_EQ(settings.to_value(), given);
  settings.read(Value::Map{{"clip_skip", 0}, {"vae_tiling", false}}, "here");
  EXPECT_EQ(settings.clip_skip, 0);
  EXPECT_FALSE(settings.to_value().contains("vae_tiling"));
  EXPECT_EQ(settings.original_size, (std::vector<std::int64_t>{768, 512})) << "a key that is not there changes nothing";
  for (const auto& wrong : {Value::Map{{"clip_skip", -1}}, Value::Map{{"target_size", Value::List{512}}}, Value::Map{{"clipskip", 1}},
                            Value::Map{{"sample_mode", "mode"}}, Value::Map{{"vae_tiling", 1}}}) {
    EXPECT_THROW(settings.read(wrong, "here"), DataError);
  }
}

}  // namespace
}  // namespace espalier::network
