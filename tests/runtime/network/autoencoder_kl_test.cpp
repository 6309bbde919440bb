#include "runtime/network/autoencoder_kl.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/network/registry.h"

namespace espalier::network {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// Halves twice; 2 latent channels.
Value small_config() {
  return Value::Map{{"block_out_channels", Value::List{4, 8, 8}},
                    {"down_block_types", Value::List{"DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"}},
                    {"up_block_types", Value::List{"UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"}},
                    {"latent_channels", 2},
                    {"norm_num_groups", 4}};
}

std::string refusal(const std::string& key, Value value, const std::string& other = "", Value other_value = nullptr) {
  auto config = small_config();
  config[key] = std::move(value);
  if (!other.empty()) config[other] = std::move(other_value);
  try {
    const AutoencoderKL vae(config, "vae/config.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(AutoencoderKL, CompletesItsConfigAndReadsItBack) {
  const AutoencoderKL vae(small_config(), "config.json");
  EXPECT_EQ(vae.config().as_map().size(), 20u);  // as many keys as diffusers 0.42.1 writes
  EXPECT_EQ(AutoencoderKL(vae.config(), "again").config(), vae.config());
  EXPECT_EQ(vae.config().at("scaling_factor").as_number(), 0.18215);
  EXPECT_TRUE(vae.force_upcast());
  EXPECT_EQ(vae.factor(), 4);
  auto whole = small_config();
  whole["scaling_factor"] = 1;
  whole["shift_factor"] = 0;
  whole["_diffusers_version"] = "0.6.0";
  EXPECT_EQ(AutoencoderKL(whole, "a").config().at("scaling_factor"), Value(1.0));
}

TEST(AutoencoderKL, RefusesWhatItDoesNotSupportByName) {
  EXPECT_THAT(refusal("norm_num_group", 4), AllOf(HasSubstr("vae/config.json"), HasSubstr("did you mean 'norm_num_groups'")));
  EXPECT_THAT(refusal("_class_name", "AutoencoderTiny"), HasSubstr("_class_name = \"AutoencoderTiny\" is not supported"));
  EXPECT_THAT(refusal("act_fn", "mish"), HasSubstr("act_fn = \"mish\" is not supported"));
  EXPECT_THAT(refusal("down_block_types", Value::List{"AttnDownEncoderBlock2D"}), HasSubstr("it must be a list, each DownEncoderBlock2D"));
  EXPECT_THAT(refusal("up_block_types", Value::List{"UpDecoderBlock2D"}), HasSubstr("as long as block_out_channels"));
  EXPECT_THAT(refusal("norm_num_groups", 3), HasSubstr("does not divide the 4 channels of encoder.down_blocks.0.resnets.0.norm1"));
  EXPECT_THAT(refusal("scaling_factor", 0), HasSubstr("scaling_factor = 0"));
  EXPECT_THAT(refusal("latents_std", Value::List{1, 2}), HasSubstr("latents_mean"));
  EXPECT_THAT(refusal("latents_mean", Value::List{1, 2, 3}), HasSubstr("a list of 2 numbers"));
  EXPECT_THAT(refusal("latents_mean", Value::List{1, 2}, "latents_std", Value::List{1, 0}), HasSubstr("above 0"));
  EXPECT_THAT(refusal("block_out_channels", Value::List(17, Value(4))), HasSubstr("at most 16 blocks"));
}

TEST(AutoencoderKL, ChecksWeightsAndImagesByName) {
  const AutoencoderKL vae(small_config(), "config.json");
  auto weights = vae.initialize("vae.", 1);
  vae.check(weights, "vae.", "model");
  EXPECT_THAT([&] { vae.encode(weights, "vae.", at::zeros({1, 3, 8, 10})); }, ThrowsMessage<DataError>(HasSubstr("multiples of 4")));
  weights.erase("vae.quant_conv.bias");
  EXPECT_THAT([&] { vae.check(weights, "vae.", "model/vae"); },
              ThrowsMessage<DataError>(HasSubstr("model/vae: no tensor 'vae.quant_conv.bias'")));
}

TEST(AutoencoderKL, TakesOldNamesAndRefusesBothInOneFile) {
  const AutoencoderKL vae(small_config(), "config.json");
  const auto weights = vae.initialize("vae.", 1);
  auto old = weights;
  const std::string place = "vae.decoder.mid_block.attentions.0.";
  for (const auto& [today, before] : {std::pair{"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}}) {
    auto node = old.extract(place + today + ".weight");
    node.key() = place + before + ".weight";
    old.insert(std::move(node));
  }
  old["unet.mid_block.attentions.0.query.weight"] = at::zeros({1});  // behind another prefix
  auto renamed = AutoencoderKL::rename(old, "vae.");
  EXPECT_EQ(renamed.erase("unet.mid_block.attentions.0.query.weight"), 1u);
  vae.check(renamed, "vae.", "here");
  for (const auto& [name, tensor] : weights) EXPECT_TRUE(at::equal(renamed.at(name), tensor)) << name;
  renamed[place + "query.weight"] = at::zeros({1});
  EXPECT_THAT([&] { vae.check(AutoencoderKL::rename(renamed, "vae."), "vae.", "here"); },
              ThrowsMessage<DataError>(HasSubstr("has no tensor '" + place + "query.weight'")));
}

TEST(AutoencoderKL, ScalesLatentsAndBack) {
  auto shifted = small_config(), normed = small_config();
  shifted["scaling_factor"] = 2.0, shifted["shift_factor"] = 0.5;
  normed["scaling_factor"] = 2.0, normed["latents_mean"] = Value::List{1, 0}, normed["latents_std"] = Value::List{4, 0.5};
  const AutoencoderKL by_shift(shifted, "a"), by_mean(normed, "b");
  const auto z = at::full({1, 2, 1, 1}, 3.0);
  EXPECT_TRUE(at::equal(by_shift.scaled(z), at::full({1, 2, 1, 1}, 5.0)));
  EXPECT_TRUE(at::equal(by_mean.scaled(z).flatten(), at::tensor({1.0F, 12.0F})));
  for (const auto* vae : {&by_shift, &by_mean}) EXPECT_TRUE(at::equal(vae->unscaled(vae->scaled(z)), z));
}

TEST(AutoencoderKL, ComputesInTheDtypeOfItsWeightsAndClampsTheVariance) {
  const AutoencoderKL vae(small_config(), "config.json");
  auto weights = vae.initialize("", 1);
  const auto image = at::ones({1, 3, 8, 8});
  const auto exact = vae.decode(weights, "", at::ones({1, 2, 2, 2}));
  auto halves = weights;
  for (auto& [name, tensor] : halves) tensor = tensor.to(at::kBFloat16);
  const auto rough = vae.decode(halves, "", at::ones({1, 2, 2, 2}));
  EXPECT_EQ(rough.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(rough, exact, 0.1, 0.1));
  EXPECT_FALSE(at::allclose(rough, exact, 1e-5, 1e-5));
  weights["quant_conv.bias"].fill_(1e4);
  EXPECT_TRUE(at::equal(vae.encode(weights, "", image).logvar, at::full({1, 2, 2, 2}, 20.0)));
  weights["quant_conv.bias"].fill_(-1e4);
  EXPECT_TRUE(at::equal(vae.encode(weights, "", image).logvar, at::full({1, 2, 2, 2}, -30.0)));
}

// Tiles of 16 pixels, 4 latents. That the numbers are diffusers' is parity.py's to show (autoencoder_kl).
TEST(AutoencoderKL, ComputesInTilesOnlyWhatIsLargerThanOne) {
  auto config = small_config();
  config["sample_size"] = 16;
  const AutoencoderKL whole(config, "a"), tiled(config, "a", /*tiling=*/true);
  const auto weights = whole.initialize("", 1);
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{16, 16}, {8, 16}, {20, 8}, {4, 28}}) {
    const bool larger = height > 16 || width > 16;
    const auto image = at::linspace(-1, 1, 3 * height * width).view({1, 3, height, width}).mul(20).sin();
    const auto posterior = whole.encode(weights, "", image), by_tiles = tiled.encode(weights, "", image);
    EXPECT_EQ(by_tiles.mean.sizes(), posterior.mean.sizes());
    EXPECT_EQ(at::equal(by_tiles.mean, posterior.mean), !larger) << height << " x " << width;
    const auto decoded = whole.decode(weights, "", posterior.mean), decoded_by_tiles = tiled.decode(weights, "", posterior.mean);
    EXPECT_EQ(decoded_by_tiles.sizes(), image.sizes());
    EXPECT_EQ(at::equal(decoded_by_tiles, decoded), !larger) << height << " x " << width;
  }
}

TEST(AutoencoderKL, RefusesTilesThatDoNotOverlapByWholeLatents) {
  const auto refused = [](Value sample_size) {
    auto config = small_config();
    config["sample_size"] = std::move(sample_size);
    const AutoencoderKL whole(config, "vae/config.json");
    EXPECT_THAT([&] { AutoencoderKL(config, "vae/config.json", /*tiling=*/true); },
                ThrowsMessage<DataError>(AllOf(HasSubstr("vae/config.json: sample_size"), HasSubstr("a multiple of 16 for vae_tiling"))));
  };
  for (const auto& wrong : {Value(24), Value(0), Value(-16), Value(Value::List{32, 32}), Value("32"), Value(nullptr)}) refused(wrong);
}

// {"unet", "vae"} of a U-Net with these channels.
ComponentConfigs configs(std::int64_t in_channels, std::int64_t out_channels) {
  const Value unet = Value::Map{{"in_channels", in_channels},
                                {"out_channels", out_channels},
                                {"block_out_channels", Value::List{8, 8}},
                                {"norm_num_groups", 4},
                                {"mid_block_type", nullptr},
                                {"down_block_types", Value::List{"DownBlock2D", "DownBlock2D"}},
                                {"up_block_types", Value::List{"UpBlock2D", "UpBlock2D"}}};
  return {{"unet", {unet, "unet/config.json"}}, {"vae", {small_config(), "vae/config.json"}}};
}

TEST(AutoencoderKL, IsAComponentOfAUNetOfItsLatents) {
  const auto registry = engine_networks();
  const auto& make = registry.find("UNet2DConditionModel")->make;
  const auto network = make(configs(2, 2), {});
  EXPECT_EQ(network->architecture().at("vae").at("_class_name"), Value("AutoencoderKL"));
  auto weights = network->initialize(3);
  network->check(weights, "model");
  EXPECT_EQ(weights.erase("vae.decoder.conv_in.weight"), 1u);
  EXPECT_THAT([&] { network->check(weights, "model"); },
              ThrowsMessage<DataError>(HasSubstr("model/vae: no tensor 'vae.decoder.conv_in.weight'")));
  EXPECT_THAT([&] { make(configs(3, 3), {}); },
              ThrowsMessage<DataError>(HasSubstr("unet/config.json: in_channels is 3, but the vae has 2 latent_channels")));
  EXPECT_THAT([&] { make(configs(2, 4), {}); }, ThrowsMessage<DataError>(HasSubstr("out_channels 4")));
  EXPECT_THAT([&] { make(configs(7, 2), {}); }, ThrowsMessage<DataError>(HasSubstr("an inpainting model")));
  auto odd = configs(2, 2);
  odd["vae"].config["sample_size"] = 20;
  EXPECT_THAT([&] { make(odd, {.vae_tiling = true}); }, ThrowsMessage<DataError>(HasSubstr("vae/config.json: sample_size = 20")));
}

}  // namespace
}  // namespace espalier::network
