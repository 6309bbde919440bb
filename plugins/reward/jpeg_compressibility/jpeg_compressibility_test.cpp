#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "plugins/shared/images/image.h"
#include "plugins/shared/images/jpeg.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kReward = "reward.jpeg_compressibility";

// Six images of 32 x 32, the i-th of noise around grey with the amplitude i / 12: each takes more bytes than the one before.
RewardSamples noisy_images() {
  RewardSamples samples;
  samples.sample.kind = "image";
  const at::Tensor noise =
      at::arange(3 * 32 * 32, at::kDouble).square().mul(0.618).frac().mul(2).sub(1).to(at::kFloat).view({1, 3, 32, 32});
  samples.sample.tensors["image"] = at::arange(6, at::kFloat).div(12.0).view({6, 1, 1, 1}) * noise + 0.5;
  samples.metadata.resize(6);
  samples.text.resize(6);
  return samples;
}

at::Tensor scores(const RewardSamples& samples, const Options& options = {}) {
  return make<Reward>(plugin(kReward), options)->score({samples.sample, samples.metadata, samples.text});
}

TEST(JpegCompressibility, Conforms) {
  auto samples = noisy_images();
  samples.sample.tensors["image"][2][0][3][3] = std::numeric_limits<float>::quiet_NaN();
  check_reward(plugin(kReward), {{"prefer", "large"}, {"quality", 75}}, samples);
}

TEST(JpegCompressibility, IsMinusTheKilobytesOfTheFile) {
  const auto samples = noisy_images();
  const auto found = scores(samples);
  const auto drawn = images::draw_images(samples.sample.tensors.at("image"));
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(found[static_cast<std::int64_t>(i)].item<double>(), -static_cast<double>(images::encode_jpeg(drawn[i], 95).size()) / 1000.0);
  }
  EXPECT_TRUE(found.slice(0, 1).lt(found.slice(0, 0, 5)).all().item<bool>()) << "more noise takes more bytes";
}

// Pillow 13.0: Image.new("RGB", (512, 512), (128, 128, 128)).save(buffer, format="JPEG", quality=95) writes 4,721 bytes, (16, 16) 629.
TEST(JpegCompressibility, IsOfPillowsSizes) {
  RewardSamples samples = noisy_images();
  for (const auto& [side, kilobytes] : {std::pair{512, 4.721}, std::pair{16, 0.629}}) {
    samples.sample.tensors["image"] = at::full({6, 3, side, side}, 128.0 / 255.0);
    EXPECT_EQ(scores(samples)[0].item<double>(), -kilobytes);
  }
}

TEST(JpegCompressibility, PrefersLargeFilesByItsOption) {
  const auto samples = noisy_images();
  EXPECT_TRUE(at::equal(scores(samples, {{"prefer", "large"}}), -scores(samples)));
  const auto coarse = scores(samples, {{"quality", 50}}), fine = scores(samples);
  EXPECT_TRUE(coarse.slice(0, 1).gt(fine.slice(0, 1)).all().item<bool>()) << "of all images but the one without any noise";
}

TEST(JpegCompressibility, ScoresAnImageWithNanAsNan) {
  auto samples = noisy_images();
  samples.sample.tensors["image"][1][0][3][3] = std::numeric_limits<float>::quiet_NaN();
  const auto found = scores(samples), whole = scores(noisy_images());
  EXPECT_TRUE(std::isnan(found[1].item<double>()));
  EXPECT_EQ(found[2].item<double>(), whole[2].item<double>());
}

TEST(JpegCompressibility, NamesTheEncoderInItsIdentity) {
  EXPECT_EQ(make<Reward>(plugin(kReward))->identity(), Value(Value::Map{{"encoder", images::jpeg_version()}}));
}

TEST(JpegCompressibility, ReportsWhatItNeeds) {
  auto samples = noisy_images();
  samples.sample.tensors.clear();
  EXPECT_THAT([&] { scores(samples); }, ThrowsMessage<StageError>(HasSubstr("needs 'image' [B, 3 or 1, H, W]")));
}

}  // namespace
}  // namespace espalier::conformance
