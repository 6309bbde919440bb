#include "plugins/shared/images/latent_codec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>
#include <gmock/gmock.h>

#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/network/autoencoder_kl.h"
#include "runtime/random/streams.h"

namespace espalier::images {
namespace {

// f = 2; images of 8 x 12, tiles of 8 x 8.
ModelInfo described(const std::string& sample_mode = "argmax") {
  const Value vae = Value::Map{{"block_out_channels", Value::List{8, 8}},
                               {"down_block_types", Value::List{"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                               {"up_block_types", Value::List{"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                               {"norm_num_groups", 4},
                               {"sample_size", 8},
                               {"scaling_factor", 0.5},
                               {"shift_factor", 0.25}};
  ModelInfo info;
  info.architecture = Value::Map{{"vae", vae}};
  if (sample_mode != "argmax") info.settings["sample_mode"] = sample_mode;
  return info;
}

class LatentCodec : public ::testing::Test {
 protected:
  LatentCodec() { model_.weights = vae_.initialize("vae.", 5); }
  Sample sample(std::int64_t count) const {
    return {"image", {{"image", at::linspace(0.0, 1.0, count * 3 * 8 * 12).view({count, 3, 8, 12}).mul(40.0).sin().abs()}}, {}};
  }
  at::Tensor image(const Codec& codec, const at::Tensor& latents) const {
    return codec.decode({{"sample", latents}}, {&model_}).tensors.at("image");
  }

  network::AutoencoderKL vae_{described().architecture.at("vae"), "vae/config.json"};
  Model model_;
  std::shared_ptr<const Codec> codec_ = make_latent_codec({3, 8, 12}, described());
};

TEST_F(LatentCodec, EncodesToTheScaledMeanAndDecodesWhatItIsGiven) {
  const auto given = sample(2);
  const auto latents = codec_->encode(given, {&model_}).at("sample");
  EXPECT_EQ(codec_->spec().at("sample").shape, (std::vector<std::int64_t>{4, 4, 6}));
  const auto mean = vae_.encode(model_.weights, "vae.", given.tensors.at("image") * 2 - 1).mean;
  EXPECT_TRUE(at::allclose(latents, (mean - 0.25) * 0.5, 1e-5, 1e-6));
  const auto whole = vae_.decode(model_.weights, "vae.", latents / 0.5 + 0.25);
  EXPECT_TRUE(at::allclose(image(*codec_, latents), ((whole + 1) / 2).clamp(0, 1), 1e-5, 1e-6));
}

TEST_F(LatentCodec, TheBitsOfAnImageDoNotDependOnItsBatch) {
  model_.weights["vae.decoder.conv_out.weight"].mul_(20.0);
  const auto latents = codec_->encode(sample(3), {&model_}).at("sample");
  const auto all = image(*codec_, latents);
  EXPECT_TRUE(at::equal(all.narrow(0, 1, 1), image(*codec_, latents.narrow(0, 1, 1))));
  EXPECT_EQ(all.min().item<float>(), 0.0F) << "clamped";
  EXPECT_EQ(all.max().item<float>(), 1.0F);
}

TEST_F(LatentCodec, ComputesInTheDtypeOfTheWeights) {
  const auto latents = codec_->encode(sample(1), {&model_}).at("sample");
  Model rounded;
  for (auto& [name, tensor] : model_.weights) {
    tensor = tensor.to(at::kBFloat16);
    rounded.weights[name] = tensor.to(at::kFloat);
  }
  const auto exact = codec_->decode({{"sample", latents}}, {&rounded}).tensors.at("image");
  const auto half = image(*codec_, latents);
  EXPECT_EQ(half.scalar_type(), at::kFloat);
  EXPECT_FALSE(at::equal(half, exact));
  EXPECT_TRUE(at::allclose(half, exact, 0.0, 0.05));
}

// Over many draws the latents have the posterior's mean and standard deviation.
TEST_F(LatentCodec, SamplesThePosterior) {
  constexpr std::int64_t kDraws = 4000;
  const auto codec = make_latent_codec({3, 8, 12}, described("sample"));
  const auto one = sample(1);
  const auto posterior = vae_.encode(model_.weights, "vae.", one.tensors.at("image") * 2 - 1);
  std::vector<at::Tensor> drawn;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    random::Draws draws(random::streams::posterior(7), {i});
    drawn.push_back(codec->encode(one, {&model_, at::kCPU, &draws}).at("sample") / 0.5 + 0.25);
  }
  const auto latents = at::cat(drawn).to(at::kDouble);
  const auto deviation = (posterior.logvar.to(at::kDouble) / 2).exp();
  const auto error = (latents.mean(0, true) - posterior.mean) / (deviation / std::sqrt(kDraws));  // standard normal
  EXPECT_LT(error.abs().max().item<double>(), 5.0);
  const auto ratio = (latents - posterior.mean).square().mean(0, true).sqrt() / deviation;
  EXPECT_LT((ratio - 1).abs().max().item<double>(), 5.0 / std::sqrt(2.0 * kDraws));
  EXPECT_THROW(codec->encode(one, {&model_}), InternalError);
  EXPECT_NE(codec->key(), codec_->key());
}

TEST_F(LatentCodec, ASampleDependsOnTheExampleNotOnItsBatch) {
  const auto codec = make_latent_codec({3, 8, 12}, described("sample"));
  const auto encoded = [&](const at::Tensor& images, const std::vector<std::uint64_t>& positions) {
    random::Draws draws(random::streams::posterior(7), positions);
    return codec->encode({"image", {{"image", images}}, {}}, {&model_, at::kCPU, &draws}).at("sample");
  };
  const auto images = sample(3).tensors.at("image");
  const auto all = encoded(images, {4, 5, 6});
  EXPECT_TRUE(at::equal(all.narrow(0, 1, 1), encoded(images.narrow(0, 1, 1), {5})));
  EXPECT_FALSE(at::equal(all.narrow(0, 1, 1), encoded(images.narrow(0, 1, 1), {6})));
}

TEST_F(LatentCodec, GoesThroughTheVaeInTilesWhereTheModelSaysSo) {
  auto info = described();
  info.settings["vae_tiling"] = true;
  const auto codec = make_latent_codec({3, 8, 12}, info);
  const network::AutoencoderKL tiled(info.architecture.at("vae"), "vae/config.json", /*tiling=*/true);
  const auto given = sample(1);
  const auto latents = codec->encode(given, {&model_}).at("sample");
  EXPECT_TRUE(at::equal(latents, tiled.scaled(tiled.encode(model_.weights, "vae.", given.tensors.at("image") * 2 - 1).mean)));
  EXPECT_FALSE(at::equal(latents, codec_->encode(given, {&model_}).at("sample")));
  const auto decoded = tiled.decode(model_.weights, "vae.", tiled.unscaled(latents));
  EXPECT_TRUE(at::equal(image(*codec, latents), ((decoded + 1) / 2).clamp(0, 1)));
  EXPECT_FALSE(at::equal(image(*codec, latents), image(*codec_, latents)));
  auto key = codec->key();
  EXPECT_EQ(key.at("tiling"), Value(true));
  EXPECT_FALSE(codec_->key().contains("tiling")) << "keys of models without it stay as they were";
}

TEST_F(LatentCodec, NeedsTheModelAndItsKeyHoldsItsConfig) {
  EXPECT_TRUE(codec_->needs_model());
  EXPECT_EQ(codec_->key().at("vae"), vae_.config());
  EXPECT_THROW(codec_->decode({{"sample", at::linspace(0, 1, 96).view({1, 4, 4, 6})}}, {}), InternalError);
}

}  // namespace
}  // namespace espalier::images
