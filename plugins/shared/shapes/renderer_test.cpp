#include "plugins/shared/shapes/renderer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <vector>

#include "runtime/base/errors.h"

namespace espalier::shapes {
namespace {

Jitter random_jitter(std::mt19937& engine) {
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  Jitter jitter;
  for (double& value : jitter) value = uniform(engine);
  return jitter;
}

TEST(ShapesRenderer, CoversTheAreaAndCentroidOfTheShape) {
  constexpr std::int64_t kSide = 64;
  for (const Shape shape : {Shape::circle, Shape::square, Shape::triangle}) {
    std::vector<float> covered(kSide * kSide);
    coverage(shape, 30.3, 33.7, 20.0, kSide, kSide, covered.data());
    double area = 0.0, x = 0.0, y = 0.0;
    for (std::int64_t p = 0; p < kSide * kSide; ++p) {
      area += covered[p];
      x += covered[p] * (static_cast<double>(p % kSide) + 0.5);
      y += covered[p] * (static_cast<double>(p / kSide) + 0.5);
    }
    EXPECT_NEAR(area / (20.0 * 20.0), unit_area(shape), 0.01) << kShapeNames[static_cast<std::size_t>(shape)];
    EXPECT_NEAR(x / area, 30.3, 0.0625);  // half a sample
    EXPECT_NEAR(y / area, 33.7 + 20.0 * unit_centroid_y(shape), 0.0625);
  }
}

TEST(ShapesRenderer, AveragesSixtyFourSamplesAPixel) {
  // A square of half side 0.9 * 2 around (2, 2) ends at x = 0.2: samples 0.1875 and below are outside, so 6 of 8 columns are in.
  std::vector<float> covered(16);
  coverage(Shape::square, 2.0, 2.0, 2.0, 4, 4, covered.data());
  EXPECT_FLOAT_EQ(covered[0], 36.0F / 64.0F);
  EXPECT_FLOAT_EQ(covered[1], 48.0F / 64.0F);
  EXPECT_FLOAT_EQ(covered[5], 1.0F);
}

TEST(ShapesRenderer, KeepsObjectsInsideApartAndInRelation) {
  std::mt19937 engine(1);
  for (const Prompt& prompt : train_prompts()) {
    const Scene scene = place(prompt, random_jitter(engine));
    const double right = scene[0].x - scene[1].x, down = scene[0].y - scene[1].y;
    const bool vertical = prompt.relation == Relation::above || prompt.relation == Relation::below;
    const bool leads = prompt.relation == Relation::above || prompt.relation == Relation::left_of;
    const double along = (vertical ? down : right) * (leads ? -1.0 : 1.0);
    EXPECT_GE(along, scene[0].radius + scene[1].radius + 0.07 - 1e-12) << text(prompt);
    EXPECT_LE(std::abs(vertical ? right : down), 0.4 * along + 1e-12) << text(prompt);
    for (const Object& object : scene) {
      EXPECT_GE(std::min(object.x, object.y) - object.radius, 0.03 - 1e-12);
      EXPECT_LE(std::max(object.x, object.y) + object.radius, 0.97 + 1e-12);
    }
  }
}

TEST(ShapesRenderer, PaintsObjectsOnTheBackground) {
  const Scene scene = {Object{Shape::square, 2, 0.25, 0.25, 0.2}, Object{Shape::circle, 0, 0.75, 0.75, 0.2}};
  const at::Tensor image = render(scene, 16);  // [3, 16, 16]
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_FLOAT_EQ(image[c][4][4].item<float>(), static_cast<float>(kPalette[2].rgb[c]));
    EXPECT_FLOAT_EQ(image[c][12][12].item<float>(), static_cast<float>(kPalette[0].rgb[c]));
    EXPECT_FLOAT_EQ(image[c][0][15].item<float>(), static_cast<float>(kBackground[c]));
  }
}

TEST(ShapesRenderer, RefusesImagesThatAreTooSmall) {
  EXPECT_THAT([] { render(Scene{}, 8); }, ::testing::ThrowsMessage<ConfigError>(::testing::HasSubstr("at least 12")));
}

}  // namespace
}  // namespace espalier::shapes
