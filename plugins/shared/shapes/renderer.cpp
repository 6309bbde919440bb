#include "plugins/shared/shapes/renderer.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "runtime/base/errors.h"

namespace espalier::shapes {
namespace {

constexpr std::int64_t kSamples = 8;  // a pixel and axis
constexpr double kMargin = 0.03;
constexpr double kGap = 0.07;
constexpr double kLargestSlant = 0.4;
constexpr double kSquareHalfSide = 0.9;

// Half the width of the shape `down` below its middle, for radius 1; negative outside. Every shape is convex and symmetric.
double half_width(Shape shape, double down) {
  switch (shape) {
    case Shape::circle:
      return std::abs(down) <= 1.0 ? std::sqrt(1.0 - down * down) : -1.0;
    case Shape::square:
      return std::abs(down) <= kSquareHalfSide ? kSquareHalfSide : -1.0;
    case Shape::triangle:
      return std::abs(down) <= 1.0 ? (down + 1.0) / 2.0 : -1.0;
  }
  throw InternalError("a shape without a form");
}

}  // namespace

double unit_area(Shape shape) {
  switch (shape) {
    case Shape::circle:
      return std::numbers::pi;
    case Shape::square:
      return 4.0 * kSquareHalfSide * kSquareHalfSide;
    case Shape::triangle:
      return 2.0;
  }
  throw InternalError("a shape without an area");
}

double unit_centroid_y(Shape shape) { return shape == Shape::triangle ? 1.0 / 3.0 : 0.0; }

Scene place(const Prompt& prompt, const Jitter& jitter) {
  Scene scene;
  for (std::size_t i = 0; i < 2; ++i) {
    scene[i].shape = prompt.shape[i];
    scene[i].colour = prompt.colour[i];
    scene[i].radius = kSmallestRadius + (kLargestRadius - kSmallestRadius) * jitter[i];
  }
  const bool vertical = prompt.relation == Relation::above || prompt.relation == Relation::below;
  const bool first_leads = prompt.relation == Relation::above || prompt.relation == Relation::left_of;
  Object& lead = scene[first_leads ? 0 : 1];
  Object& other = scene[first_leads ? 1 : 0];

  const double slack = 1.0 - 2.0 * (kMargin + lead.radius + other.radius) - kGap;  // at least 0.03
  const double distance = lead.radius + other.radius + kGap + jitter[2] * slack;
  const double lead_along = kMargin + lead.radius + jitter[3] * (1.0 - jitter[2]) * slack;
  const double lead_across = kMargin + lead.radius + jitter[4] * (1.0 - 2.0 * (kMargin + lead.radius));
  const double low = std::max(kMargin + other.radius, lead_across - kLargestSlant * distance);
  const double high = std::min(1.0 - kMargin - other.radius, lead_across + kLargestSlant * distance);
  const double other_across = low + jitter[5] * (high - low);

  lead.x = vertical ? lead_across : lead_along;
  lead.y = vertical ? lead_along : lead_across;
  other.x = vertical ? other_across : lead_along + distance;
  other.y = vertical ? lead_along + distance : other_across;
  return scene;
}

void coverage(Shape shape, double x, double y, double radius, std::int64_t width, std::int64_t height, float* covered) {
  constexpr float kShare = 1.0F / (kSamples * kSamples);
  std::fill(covered, covered + width * height, 0.0F);
  for (std::int64_t line = 0; line < height * kSamples; ++line) {
    const double half = half_width(shape, ((static_cast<double>(line) + 0.5) / kSamples - y) / radius) * radius;
    if (half < 0.0) continue;
    // Samples lie at (s + 0.5) / kSamples: those inside are first <= s < end.
    const auto first = std::max<std::int64_t>(0, std::llround(std::ceil((x - half) * kSamples - 0.5)));
    const auto end = std::min<std::int64_t>(width * kSamples, std::llround(std::floor((x + half) * kSamples - 0.5)) + 1);
    float* row = covered + line / kSamples * width;
    for (std::int64_t s = first; s < end;) {
      const std::int64_t pixel = s / kSamples;
      const std::int64_t next = std::min(end, (pixel + 1) * kSamples);
      row[pixel] += static_cast<float>(next - s) * kShare;
      s = next;
    }
  }
}

at::Tensor render(const Scene& scene, std::int64_t size) {
  if (size < kSmallestImage) {
    throw ConfigError("a shapes image of " + std::to_string(size) + " pixels is too small to tell shapes apart; at least " +
                      std::to_string(kSmallestImage));
  }
  const std::int64_t pixels = size * size;
  at::Tensor image = at::empty({3, size, size}, at::kFloat);
  float* rgb = image.data_ptr<float>();
  for (std::size_t c = 0; c < 3; ++c) {
    std::fill_n(rgb + static_cast<std::int64_t>(c) * pixels, pixels, static_cast<float>(kBackground[c]));
  }
  std::vector<float> covered(static_cast<std::size_t>(pixels));
  const auto scale = static_cast<double>(size);
  for (const Object& object : scene) {
    coverage(object.shape, object.x * scale, object.y * scale, object.radius * scale, size, size, covered.data());
    for (std::size_t c = 0; c < 3; ++c) {
      // Objects never overlap, so their colours add to the background.
      const auto contrast = static_cast<float>(kPalette[object.colour].rgb[c] - kBackground[c]);
      float* channel = rgb + static_cast<std::int64_t>(c) * pixels;
      for (std::size_t p = 0; p < covered.size(); ++p) channel[p] += covered[p] * contrast;
    }
  }
  return image;
}

}  // namespace espalier::shapes
