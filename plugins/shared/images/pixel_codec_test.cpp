#include "plugins/shared/images/pixel_codec.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>

namespace espalier::images {
namespace {

// 2 x - 1 is rounded where x < 1/4, and what is left of x is the same from then on.
TEST(PixelCodec, AnEncodedImageIsDecodedToAsDecodedBitForBit) {
  const auto codec = make_pixel_codec({3, 16, 16});
  const auto image = at::linspace(0.0, 1.0, std::int64_t{3} * 16 * 16).view({1, 3, 16, 16});
  const auto once = as_decoded(image);
  EXPECT_FALSE(at::equal(once, image)) << "some of these numbers are rounded";
  const auto state = codec->encode({"image", {{"image", once}}, {}}, {});
  EXPECT_TRUE(at::equal(codec->decode(state, {}).tensors.at("image"), once));
  EXPECT_TRUE(at::equal(state.at("sample"), image.mul(2.0).sub(1.0))) << "the state is that of the image before";
}

}  // namespace
}  // namespace espalier::images
