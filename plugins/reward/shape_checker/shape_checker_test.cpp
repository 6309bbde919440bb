#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "plugins/shared/shapes/renderer.h"
#include "runtime/base/errors.h"
#include "tests/conformance/conformance.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Scored : conformance::RewardSamples {
  at::Tensor scores() const {
    return conformance::make<Reward>(conformance::plugin("reward.shape_checker"))->score({sample, metadata, text});
  }
};

Scored images(std::size_t count = 3) {
  Scored scored;
  std::vector<at::Tensor> images;
  for (std::size_t i = 0; i < count; ++i) {
    const shapes::Prompt prompt = shapes::train_prompts()[i];
    images.push_back(shapes::render(shapes::place(prompt, {0.5, 0.5, 0.5, 0.5, 0.5, 0.5}), 16).unsqueeze(0));
    scored.metadata.push_back(shapes::metadata(prompt));
    scored.text.push_back(shapes::text(prompt));
  }
  scored.sample = {"image", {{"image", at::cat(images)}}, {}};
  return scored;
}

TEST(ShapeCheckerPlugin, Conforms) {
  Scored scored = images(8);
  std::swap(scored.metadata[1], scored.metadata[2]);
  conformance::check_reward(conformance::plugin("reward.shape_checker"), {{"extra_object_penalty", 0.5}}, scored);
}

TEST(ShapeCheckerPlugin, ScoresEachImageAgainstItsOwnMetadata) {
  Scored scored = images();
  std::swap(scored.metadata[1], scored.metadata[2]);
  const at::Tensor scores = scored.scores();
  ASSERT_EQ(scores.size(0), 3);
  EXPECT_NEAR(scores[0].item<double>(), 1.0, 1e-12);
  EXPECT_LT(scores[1].item<double>(), 0.9);
  EXPECT_LT(scores[2].item<double>(), 0.9);
}

TEST(ShapeCheckerPlugin, ScoresAnImageWithNanAsNan) {
  Scored scored = images();
  scored.sample.tensors["image"][1][0][3][3] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor scores = scored.scores();
  EXPECT_TRUE(std::isnan(scores[1].item<double>()));
  EXPECT_NEAR(scores[2].item<double>(), 1.0, 1e-12);
}

TEST(ShapeCheckerPlugin, LikenessIsOfImagesThatShowEverything) {
  Scored scored = images();
  std::swap(scored.metadata[1], scored.metadata[2]);
  const auto plugin = conformance::make<Reward>(conformance::plugin("reward.shape_checker"), {{"measure", "likeness"}});
  const at::Tensor scores = plugin->score({scored.sample, scored.metadata, scored.text});
  EXPECT_LE(scores[0].item<double>(), 0.0);
  EXPECT_GT(scores[0].item<double>(), -0.02);
  EXPECT_TRUE(std::isnan(scores[1].item<double>()));
}

TEST(ShapeCheckerPlugin, ReportsWhatItNeeds) {
  Scored scored = images();
  scored.metadata[0] = Value::Map{{"label", 3}};
  EXPECT_THAT([&] { scored.scores(); }, ThrowsMessage<StageError>(HasSubstr("judges prompts of the shapes world")));
  scored = images();
  scored.sample.tensors["image"] = at::ones({3, 1, 16, 16});
  EXPECT_THAT([&] { scored.scores(); }, ThrowsMessage<StageError>(HasSubstr("1 channels")));
  scored.sample.tensors.clear();
  EXPECT_THAT([&] { scored.scores(); }, ThrowsMessage<StageError>(HasSubstr("no tensor 'image'")));
}

}  // namespace
}  // namespace espalier
