#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

// Four grey images, the i-th of pixels 0.2 i.
RewardSamples grey_images() {
  RewardSamples samples;
  samples.sample.kind = "image";
  samples.sample.tensors["image"] = at::arange(4, at::kFloat).mul(0.2).view({4, 1, 1, 1}).expand({4, 3, 8, 8}).contiguous();
  samples.metadata.resize(4);
  samples.text = {"a", "b", "c", "d"};
  return samples;
}

TEST(Brightness, Conforms) { check_reward(plugin("reward.brightness"), {}, grey_images()); }

TEST(Brightness, IsTheMeanTimesTheGain) {
  const auto reward = make<Reward>(plugin("reward.brightness"), {{"gain", 2.0}});
  const auto samples = grey_images();
  const auto score = reward->score({samples.sample, samples.metadata, samples.text});
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(score.const_data_ptr<double>()[i], 0.4 * i, 1e-6);
}

}  // namespace
}  // namespace espalier::conformance
