#include "plugins/shared/images/pixel_codec.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/network/unet.h"

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

std::vector<std::int64_t> shape_of(const Codec& codec) { return codec.spec().at("sample").shape; }

// 2 x - 1 is rounded where x < 1/4, and what is left of x is the same from then on.
TEST(PixelCodec, AnEncodedImageIsDecodedToAsDecodedBitForBit) {
  const auto codec = make_pixel_codec({3, 16, 16}, Conditioning::none, nullptr);
  const auto image = at::linspace(0.0, 1.0, 3 * 16 * 16).view({1, 3, 16, 16});
  const auto once = as_decoded(image);
  EXPECT_FALSE(at::equal(once, image)) << "some of these numbers are rounded";
  const auto state = codec->encode({"image", {{"image", once}}, {}}, {});
  EXPECT_TRUE(at::equal(codec->decode(state, {}).tensors.at("image"), once));
  EXPECT_TRUE(at::equal(state.at("sample"), image.mul(2.0).sub(1.0))) << "the state is that of the image before";
}

TEST(PixelCodec, TakesTheSizeOfTheModelAndResizesToIt) {
  const auto unsized = unet_of({}), square = unet_of(8), wide = unet_of(Value::List{4, 8});
  EXPECT_EQ(shape_of(*make_pixel_codec({3, 16, 16}, Conditioning::none, &unsized)), (std::vector<std::int64_t>{3, 16, 16}));
  EXPECT_EQ(shape_of(*make_pixel_codec({3, 16, 16}, Conditioning::none, &wide)), (std::vector<std::int64_t>{3, 4, 8}));
  const auto codec = make_pixel_codec({3, 16, 16}, Conditioning::none, &square);
  const auto grey = at::linspace(0.5, 0.5, 3 * 16 * 16).view({1, 3, 16, 16});
  const auto state = codec->encode({"image", {{"image", grey}}, {}}, {}).at("sample");
  EXPECT_EQ(state.sizes(), (std::vector<std::int64_t>{1, 3, 8, 8}));
  EXPECT_NEAR(state.abs().max().item<float>(), 0.0F, 1e-6F);
}

TEST(PixelCodec, RefusesModelsThatDoNotFitTheImages) {
  const auto make = [](const ModelInfo& model, Conditioning conditioning) { return make_pixel_codec({3, 16, 16}, conditioning, &model); };
  EXPECT_THAT([&] { make(unet_of({}, 4), Conditioning::none); },
              ThrowsMessage<DataError>(HasSubstr("in_channels is 4, but the domain's images have 3 channels")));
  EXPECT_THAT([&] { make(unet_of(18), Conditioning::none); }, ThrowsMessage<DataError>(HasSubstr("multiples of 4; they are 18 x 18")));
  EXPECT_THAT([&] { make(unet_of({}), Conditioning::texts); }, ThrowsMessage<DataError>(HasSubstr("no text_encoder")));
  EXPECT_THAT([&] { make(unet_of({}, 3, true), Conditioning::none); }, ThrowsMessage<DataError>(HasSubstr("have no prompts")));
  EXPECT_THAT([&] { make(ModelInfo(), Conditioning::none); }, ThrowsMessage<DataError>(HasSubstr("no U-Net")));
}

}  // namespace
}  // namespace espalier::images
