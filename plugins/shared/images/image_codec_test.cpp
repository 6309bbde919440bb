#include "plugins/shared/images/image_codec.h"

#include <ATen/ops/linspace.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

ModelInfo unet_of(Value sample_size, std::int64_t channels = 3, bool texts = false) {
  const Value config = Value::Map{{"_class_name", "UNet2DConditionModel"},
                                  {"sample_size", std::move(sample_size)},
                                  {"in_channels", channels},
                                  {"out_channels", channels},
                                  {"block_out_channels", Value::List{8, 16, 16}}};
  ModelInfo info;
  info.architecture = Value::Map{{"unet", config}};
  if (texts) info.architecture["text_encoder"] = Value::Map{};
  return info;
}

// Of a U-Net of 4 channels and a vae that halves once.
ModelInfo latent_model(Value sample_size, std::int64_t image_channels = 3) {
  auto info = unet_of(std::move(sample_size), 4);
  info.architecture["vae"] = Value::Map{{"block_out_channels", Value::List{8, 8}},
                                        {"down_block_types", Value::List{"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                                        {"up_block_types", Value::List{"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                                        {"norm_num_groups", 4},
                                        {"in_channels", image_channels},
                                        {"out_channels", image_channels}};
  return info;
}

std::shared_ptr<const Codec> make(const ModelInfo& model, const ImageSize& data = {3, 16, 16},
                                  Conditioning conditioning = Conditioning::none) {
  return make_image_codec(data, conditioning, &model);
}

std::vector<std::int64_t> shape_of(const Codec& codec) { return codec.spec().at("sample").shape; }

TEST(ImageCodec, TakesTheSizeOfTheModelAndResizesToIt) {
  EXPECT_EQ(shape_of(*make(unet_of({}))), (std::vector<std::int64_t>{3, 16, 16}));
  EXPECT_EQ(shape_of(*make(unet_of(Value::List{4, 8}))), (std::vector<std::int64_t>{3, 4, 8}));
  const auto codec = make(unet_of(8));
  const auto grey = at::linspace(0.5, 0.5, std::int64_t{768}).view({1, 3, 16, 16});
  const auto state = codec->encode({"image", {{"image", grey}}, {}}, {}).at("sample");
  EXPECT_EQ(state.sizes(), (std::vector<std::int64_t>{1, 3, 8, 8}));
  EXPECT_NEAR(state.abs().max().item<float>(), 0.0F, 1e-6F);
}

TEST(ImageCodec, IsOfLatentsWhereTheModelHasAVae) {
  EXPECT_EQ(shape_of(*make(latent_model({}))), (std::vector<std::int64_t>{4, 8, 8})) << "of the data's 16 x 16";
  EXPECT_EQ(shape_of(*make(latent_model(Value::List{12, 4}))), (std::vector<std::int64_t>{4, 12, 4})) << "sample_size is of the latents";
  EXPECT_TRUE(make(latent_model({}))->needs_model());
  EXPECT_FALSE(make(unet_of({}))->needs_model());
  EXPECT_EQ(shape_of(*make_image_codec({3, 16, 16}, Conditioning::none, nullptr)), (std::vector<std::int64_t>{3, 16, 16}));
}

TEST(ImageCodec, RefusesModelsThatDoNotFitTheImages) {
  EXPECT_THAT([] { make(unet_of({}, 4)); },
              ThrowsMessage<DataError>(HasSubstr("in_channels is 4, but the domain's images have 3 channels")));
  EXPECT_THAT([] { make(unet_of(18)); }, ThrowsMessage<DataError>(HasSubstr("multiples of 4; they are 18 x 18")));
  EXPECT_THAT([] { make(unet_of({}), {3, 16, 16}, Conditioning::texts); }, ThrowsMessage<DataError>(HasSubstr("no text_encoder")));
  EXPECT_THAT([] { make(unet_of({}, 3, true)); }, ThrowsMessage<DataError>(HasSubstr("have no prompts")));
  EXPECT_THAT([] { make(ModelInfo()); }, ThrowsMessage<DataError>(HasSubstr("no U-Net")));
  EXPECT_THAT([] { make(latent_model({}, 1)); },
              ThrowsMessage<DataError>(HasSubstr("vae/config.json: in_channels is 1, but the domain's images have 3 channels")));
  EXPECT_THAT([] { make(latent_model({}), {3, 15, 16}); },
              ThrowsMessage<DataError>(HasSubstr("vae/config.json: halves images 1 times over, so their sides must be multiples of 2")));
  EXPECT_THAT([] { make(latent_model(6)); },
              ThrowsMessage<DataError>(HasSubstr("unet/config.json: halves latents 2 times over, so their sides must be multiples of 4")));
}

}  // namespace
}  // namespace espalier::images
