#include "plugins/shared/image_sources/generated_source.h"

#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "plugins/shared/shapes/renderer.h"
#include "runtime/base/errors.h"
#include "runtime/random/draws.h"
#include "runtime/random/streams.h"

namespace espalier::images {
namespace {

constexpr std::int64_t kVersion = 1;  // raised whenever an image changes: enters the digest
constexpr std::int64_t kDefaultResolution = 16;
constexpr std::array kKinds = {"disc", "ring", "square", "triangle"};
constexpr std::size_t kRing = 1;

constexpr int kMostObjects = 3;
constexpr double kGround = 0.05, kDarkest = 0.45, kBrightest = 1.0;
constexpr double kSmallest = 0.12, kLargest = 0.28;  // radius, in image widths
constexpr double kMargin = 0.02;
constexpr double kHole = 0.55;  // of a ring, in radii

// What an image draws, in this order: the number of objects, then for each its kind, place, size and brightness.
constexpr std::int64_t kPerObject = 5;
constexpr std::int64_t kUniforms = 1 + kMostObjects * kPerObject;

// uniform in (0, 1) to 0 .. count - 1
std::size_t choose(double uniform, std::size_t count) {
  return std::min(count - 1, static_cast<std::size_t>(uniform * static_cast<double>(count)));
}

double between(double low, double high, double uniform) { return low + (high - low) * uniform; }

// The coverage of one object, [size * size].
std::vector<float> cover(std::size_t kind, double x, double y, double radius, std::int64_t size) {
  constexpr std::array kShapes = {shapes::Shape::circle, shapes::Shape::circle, shapes::Shape::square, shapes::Shape::triangle};
  std::vector<float> covered(static_cast<std::size_t>(size * size));
  shapes::coverage(kShapes[kind], x, y, radius, size, size, covered.data());
  if (kind == kRing) {
    std::vector<float> hole(covered.size());
    shapes::coverage(kShapes[kind], x, y, kHole * radius, size, size, hole.data());
    for (std::size_t p = 0; p < hole.size(); ++p) covered[p] -= hole[p];
  }
  return covered;
}

struct Drawn {
  at::Tensor image;  // [1, size, size]
  std::size_t kind;  // of the foremost object
};

Drawn draw(const double* uniform, std::int64_t size) {
  const auto scale = static_cast<double>(size);
  Drawn drawn{at::full({1, size, size}, kGround, at::kFloat), 0};
  float* pixel = drawn.image.data_ptr<float>();
  const std::size_t count = 1 + choose(uniform[0], kMostObjects);
  for (std::size_t i = 0; i < count; ++i) {
    const double* object = uniform + 1 + i * kPerObject;
    drawn.kind = choose(object[0], kKinds.size());
    const double radius = between(kSmallest, kLargest, object[3]), edge = radius + kMargin;
    const double x = between(edge, 1.0 - edge, object[1]), y = between(edge, 1.0 - edge, object[2]);
    const auto brightness = static_cast<float>(between(kDarkest, kBrightest, object[4]));
    const std::vector<float> covered = cover(drawn.kind, x * scale, y * scale, radius * scale, size);
    for (std::size_t p = 0; p < covered.size(); ++p) pixel[p] += covered[p] * (brightness - pixel[p]);
  }
  return drawn;
}

class GeneratedImages final : public Images {
 public:
  GeneratedImages(bool train, std::int64_t resolution) : train_(train), resolution_(resolution) {}

  std::int64_t size() const override { return train_ ? kGeneratedTrain : kGeneratedHeldOut; }

  Hex digest() const override {
    return espalier::digest(Value::Map{{"source", "generated"},
                                       {"version", kVersion},
                                       {"random", random::kGeneratorId},
                                       {"split", train_ ? "train" : "held_out"},
                                       {"resolution", resolution_}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    random::Draws draws(random::streams::examples(/*seed=*/0, train_ ? 0U : 1U), positions);
    draws.begin(0);
    const at::Tensor uniforms = draws.uniforms({kUniforms}).contiguous();
    Batch batch;
    std::vector<at::Tensor> images;
    for (std::size_t b = 0; b < positions.size(); ++b) {
      Drawn drawn = draw(uniforms.const_data_ptr<double>() + b * kUniforms, resolution_);
      images.push_back(std::move(drawn.image));
      batch.caption.push_back(static_cast<std::int64_t>(drawn.kind));
    }
    batch.image = at::stack(images);
    return batch;
  }

 private:
  bool train_;
  std::int64_t resolution_;
};

class GeneratedSource final : public Source {
 public:
  explicit GeneratedSource(std::int64_t resolution) : resolution_(resolution) {}
  std::int64_t channels() const override { return 1; }
  std::int64_t height() const override { return resolution_; }
  std::int64_t width() const override { return resolution_; }
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  Captions captions(const std::string&) const override { return captions_of_classes({kKinds.begin(), kKinds.end()}); }
  std::unique_ptr<Images> images(const std::string& split) const override {
    return std::make_unique<GeneratedImages>(split == "train", resolution_);
  }

 private:
  std::int64_t resolution_;
};

}  // namespace

std::unique_ptr<Source> make_generated_source(std::int64_t resolution) {
  const std::int64_t size = resolution == 0 ? kDefaultResolution : resolution;
  if (size < shapes::kSmallestImage) {
    throw ConfigError(
        fmt::format("domain.unconditional: resolution {} is too small for the generated set; at least {}", size, shapes::kSmallestImage));
  }
  return std::make_unique<GeneratedSource>(size);
}

}  // namespace espalier::images
