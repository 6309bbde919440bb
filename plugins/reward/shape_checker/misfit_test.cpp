#include "plugins/reward/shape_checker/misfit.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "plugins/shared/shapes/renderer.h"

namespace espalier::shape_checker {
namespace {

using shapes::Prompt;
using shapes::Relation;
using shapes::Shape;

constexpr std::int64_t kSize = 16;

at::Tensor drawn(const Prompt& prompt, std::mt19937& engine, double noise = 0.0) {
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  std::normal_distribution<float> normal(0.0F, static_cast<float>(noise));
  shapes::Jitter jitter;
  for (double& value : jitter) value = uniform(engine);
  at::Tensor image = shapes::render(shapes::place(prompt, jitter), kSize);
  if (noise > 0.0) {
    float* pixel = image.data_ptr<float>();
    for (std::int64_t p = 0; p < image.numel(); ++p) pixel[p] += normal(engine);
  }
  return image;
}

std::optional<double> misfit_of(const at::Tensor& image, const Prompt& prompt) {
  return misfit(image.const_data_ptr<float>(), kSize, kSize, prompt);
}

TEST(Misfit, IsSmallForImagesOfTheRenderer) {
  std::mt19937 engine(3);
  double mean = 0.0;
  for (std::size_t i = 0; i < 200; ++i) {
    const Prompt prompt = shapes::train_prompts()[i];
    const auto found = misfit_of(drawn(prompt, engine), prompt);
    ASSERT_TRUE(found.has_value()) << shapes::text(prompt);
    EXPECT_LT(*found, 0.02) << shapes::text(prompt);
    mean += *found / 200.0;
  }
  EXPECT_LT(mean, 0.005);
}

// The six parameters of a fit explain at most 6 of 768 numbers' noise.
TEST(Misfit, IsTheNoiseOfANoisyImage) {
  std::mt19937 engine(4);
  double mean = 0.0;
  int judged = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    const Prompt prompt = shapes::train_prompts()[i];
    const auto found = misfit_of(drawn(prompt, engine, 0.05), prompt);
    if (!found) continue;
    mean += *found;
    ++judged;
  }
  EXPECT_GT(judged, 190);
  EXPECT_NEAR(mean / judged, 0.05, 0.001);
}

TEST(Misfit, GrowsWhenAnObjectIsRepainted) {
  const Prompt prompt{{0, 2}, {Shape::circle, Shape::square}, Relation::above};
  std::mt19937 engine(5);
  at::Tensor image = drawn(prompt, engine);
  const auto clean = misfit_of(image, prompt);
  image[0] *= 0.9;  // less red
  const auto repainted = misfit_of(image, prompt);
  ASSERT_TRUE(clean.has_value() && repainted.has_value());
  EXPECT_GT(*repainted, *clean + 0.005);
}

TEST(Misfit, ImagesThatShowSomethingElseHaveNone) {
  const Prompt prompt{{0, 2}, {Shape::circle, Shape::square}, Relation::above};
  std::mt19937 engine(6);
  const at::Tensor image = drawn(prompt, engine);
  EXPECT_TRUE(misfit_of(image, prompt).has_value());
  EXPECT_TRUE(misfit_of(image, shapes::twin(prompt)).has_value());
  EXPECT_FALSE(misfit_of(image, {{0, 2}, {Shape::circle, Shape::square}, Relation::below}).has_value());
  EXPECT_FALSE(misfit_of(image, {{0, 1}, {Shape::circle, Shape::square}, Relation::above}).has_value());
}

}  // namespace
}  // namespace espalier::shape_checker
