#include "plugins/reward/shape_checker/checker.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "plugins/shared/shapes/renderer.h"

namespace espalier::shape_checker {
namespace {

using shapes::Prompt;
using shapes::Relation;
using shapes::Shape;

constexpr double kPenalty = 0.25;
const Prompt kPrompt{{0, 2}, {Shape::circle, Shape::square}, Relation::above};  // a red circle above a blue square

// Prompts, positions and noise of a fixed seed.
class Source {
 public:
  explicit Source(unsigned seed) : engine_(seed), prompts_(shapes::train_prompts()) {
    const auto held_out = shapes::held_out_prompts();
    prompts_.insert(prompts_.end(), held_out.begin(), held_out.end());
  }
  Prompt prompt() { return prompts_[engine_() % prompts_.size()]; }
  Prompt other_than(const Prompt& prompt) {
    Prompt drawn = this->prompt();
    while (drawn == prompt) drawn = this->prompt();
    return drawn;
  }
  at::Tensor image(const Prompt& prompt, std::int64_t size = 16, double noise = 0.0) {
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    std::normal_distribution<float> normal(0.0F, static_cast<float>(noise));
    shapes::Jitter jitter;
    for (double& value : jitter) value = uniform(engine_);
    at::Tensor image = shapes::render(shapes::place(prompt, jitter), size);
    if (noise > 0.0) {
      float* pixel = image.data_ptr<float>();
      for (std::int64_t p = 0; p < image.numel(); ++p) pixel[p] = std::clamp(pixel[p] + normal(engine_), 0.0F, 1.0F);
    }
    return image;
  }

 private:
  std::mt19937 engine_;
  std::vector<Prompt> prompts_;
};

Findings look(const at::Tensor& image, const Prompt& prompt) {
  return inspect(image.const_data_ptr<float>(), image.size(1), image.size(2), prompt);
}
double judge(const at::Tensor& image, const Prompt& prompt) { return score(look(image, prompt), kPenalty); }

struct ImageKind {
  std::int64_t size;
  double noise;
  double at_least;
};
class OwnImages : public ::testing::TestWithParam<ImageKind> {};

TEST_P(OwnImages, ScoreHighOnTheirOwnPromptAndLowOnOthers) {
  Source source(20);
  double own = 0.0, other = 0.0;
  constexpr int kImages = 2000;
  for (int i = 0; i < kImages; ++i) {
    const Prompt prompt = source.prompt();
    const at::Tensor image = source.image(prompt, GetParam().size, GetParam().noise);
    own += judge(image, prompt) / kImages;
    other += judge(image, source.other_than(prompt)) / kImages;
  }
  RecordProperty("own", std::to_string(own));
  RecordProperty("other", std::to_string(other));
  EXPECT_GE(own, GetParam().at_least);
  EXPECT_LE(other, 0.4);
  EXPECT_GE(other, 0.05);  // partial credit is given
}
INSTANTIATE_TEST_SUITE_P(Sizes, OwnImages,
                         ::testing::Values(ImageKind{16, 0.0, 0.98}, ImageKind{24, 0.0, 0.98}, ImageKind{32, 0.0, 0.98},
                                           ImageKind{12, 0.0, 0.98}, ImageKind{16, 0.05, 0.98}, ImageKind{16, 0.1, 0.97}));

TEST(ShapeChecker, ChecksEveryStatementOfThePrompt) {
  Source source(3);
  const at::Tensor image = source.image(kPrompt, 24);
  EXPECT_NEAR(judge(image, kPrompt), 1.0, 1e-12);
  Prompt wrong = kPrompt;
  wrong.relation = Relation::left_of;
  EXPECT_NEAR(judge(image, wrong), 1.0 - kRelationWeight, 1e-12);
  wrong.relation = Relation::below;
  EXPECT_NEAR(judge(image, wrong), 1.0 - kRelationWeight, 1e-12);
  wrong = kPrompt;
  wrong.shape[1] = Shape::triangle;
  EXPECT_NEAR(judge(image, wrong), 1.0 - kShapeWeight, 1e-12);
  wrong = {{2, 0}, {Shape::circle, Shape::square}, Relation::above};  // colours bound to the wrong objects: shapes and order are wrong
  EXPECT_NEAR(judge(image, wrong), 2.0 * kColourWeight, 1e-12);
  wrong = kPrompt;
  wrong.colour[1] = 1;  // no green object, and the blue one is too many
  EXPECT_NEAR(judge(image, wrong), (kColourWeight + kShapeWeight) * (1.0 - kPenalty), 1e-12);
}

TEST(ShapeChecker, GivesNothingForAnEmptyOrAFullImage) {
  at::Tensor image = Source(1).image(kPrompt);
  for (std::int64_t c = 0; c < 3; ++c) image[c].fill_(shapes::kBackground[c]);
  EXPECT_EQ(judge(image, kPrompt), 0.0);
  for (std::int64_t c = 0; c < 3; ++c) image[c].fill_(shapes::kPalette[0].rgb[c]);
  EXPECT_EQ(judge(image, kPrompt), 0.0) << "a red image is no red circle";
  image.fill_(1.0);
  EXPECT_EQ(judge(image, kPrompt), 0.0);
}

TEST(ShapeChecker, PenalisesObjectsThePromptDoesNotName) {
  at::Tensor image = shapes::render({shapes::Object{Shape::circle, 0, 0.22, 0.22, 0.16}, {Shape::square, 2, 0.22, 0.75, 0.16}}, 24);
  EXPECT_NEAR(judge(image, kPrompt), 1.0, 1e-12);
  const at::Tensor third = shapes::render({shapes::Object{Shape::circle, 3, 0.75, 0.5, 0.18}, {Shape::circle, 3, 0.75, 0.5, 0.0001}}, 24);
  for (std::int64_t c = 0; c < 3; ++c) image[c].add_(third[c].sub(shapes::kBackground[c]));
  EXPECT_EQ(look(image, kPrompt).extra_objects, 1);
  EXPECT_NEAR(judge(image, kPrompt), 1.0 - kPenalty, 1e-12);
}

TEST(ShapeChecker, ClassifiesColoursByTheirBlendWithTheBackground) {
  // A pixel half yellow, half background is nearer to green than to yellow itself, but lies on yellow's line.
  std::vector<float> planes(3);
  for (std::size_t k = 0; k < shapes::kPalette.size(); ++k) {
    for (const float amount : {0.3F, 0.6F, 1.0F}) {
      for (std::size_t c = 0; c < 3; ++c) {
        const auto background = static_cast<float>(shapes::kBackground[c]);
        planes[c] = background + amount * (static_cast<float>(shapes::kPalette[k].rgb[c]) - background);
      }
      const Segmentation found = segment(planes.data(), 1, 1);
      EXPECT_EQ(found.nearest[0], static_cast<std::int8_t>(k));
      EXPECT_NEAR(found.coverage[0], amount, 1e-5);
      EXPECT_EQ(found.label[0], amount < 0.5F ? Segmentation::kNothing : static_cast<std::int8_t>(k));
    }
  }
}

// sum(min) / sum(max) of the mask and the form on one canvas that holds all of both.
double overlap_on_a_canvas(const SoftMask& mask, Shape shape) {
  constexpr std::int64_t kSide = 96, kMiddle = 32;
  const double radius = std::sqrt(mask.area / shapes::unit_area(shape));
  std::vector<float> form(static_cast<std::size_t>(kSide * kSide)), covered(form.size());
  shapes::coverage(shape, mask.x + kMiddle, mask.y + kMiddle - radius * shapes::unit_centroid_y(shape), radius, kSide, kSide, form.data());
  for (std::int64_t y = 0; y < mask.height; ++y) {
    for (std::int64_t x = 0; x < mask.width; ++x) {
      covered[(kMiddle + mask.top + y) * kSide + kMiddle + mask.left + x] = mask.covered[y * mask.width + x];
    }
  }
  double least = 0.0, most = 0.0;
  for (std::size_t p = 0; p < form.size(); ++p) {
    least += std::min(form[p], covered[p]);
    most += std::max(form[p], covered[p]);
  }
  return least / most;
}

// A drawn form's area is not quite the one it should have; what it lacks must not be taken for a part outside the window.
TEST(ShapeChecker, OverlapIsWhatBothCoverWhereverTheyLie) {
  Source source(11);
  int compared = 0;
  for (int i = 0; i < 200; ++i) {
    const at::Tensor image = source.image(source.prompt(), 16, i % 2 == 0 ? 0.0 : 0.1);
    const auto segmentation = segment(image.const_data_ptr<float>(), 16, 16);
    for (const Blob& blob : blobs(segmentation)) {
      const auto mask = soft_mask(segmentation, blob);
      for (const Shape shape : {Shape::circle, Shape::square, Shape::triangle}) {
        EXPECT_NEAR(overlap(mask, shape), overlap_on_a_canvas(mask, shape), 1e-6);
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 1000);
}

TEST(ShapeChecker, JudgesThousandsOfImagesASecond) {
  Source source(5);
  std::vector<at::Tensor> images;
  for (int i = 0; i < 100; ++i) images.push_back(source.image(kPrompt));
  const auto start = std::chrono::steady_clock::now();
  double total = 0.0;
  for (int round = 0; round < 20; ++round) {
    for (const at::Tensor& image : images) total += judge(image, kPrompt);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_GT(total, 1900.0);
  RecordProperty("images_per_second", std::to_string(2000.0 / seconds.count()));
  EXPECT_GT(2000.0 / seconds.count(), 2000.0);
}

}  // namespace
}  // namespace espalier::shape_checker
