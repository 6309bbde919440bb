#include "plugins/reward/shape_checker/segmentation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace espalier::shape_checker {
namespace {

constexpr float kHalfCovered = 0.5F;
constexpr float kFarthest = 0.3F;  // about half way between the two nearest hues of the palette
constexpr std::size_t kColours = shapes::kPalette.size();

struct Hue {
  std::array<float, 3> contrast;  // colour - background
  float square;                   // |contrast|^2
};

std::array<Hue, kColours> hues() {
  std::array<Hue, kColours> result{};
  for (std::size_t k = 0; k < kColours; ++k) {
    for (std::size_t c = 0; c < 3; ++c) {
      result[k].contrast[c] = static_cast<float>(shapes::kPalette[k].rgb[c] - shapes::kBackground[c]);
      result[k].square += result[k].contrast[c] * result[k].contrast[c];
    }
  }
  return result;
}

// Calls visit(neighbour) for the pixels around `pixel` that lie in the image.
template <class Visit>
void for_each_neighbour(const Segmentation& s, std::int32_t pixel, Visit visit) {
  const std::int64_t x = pixel % s.width, y = pixel / s.width;
  for (std::int64_t ny = std::max<std::int64_t>(0, y - 1); ny <= std::min(s.height - 1, y + 1); ++ny) {
    for (std::int64_t nx = std::max<std::int64_t>(0, x - 1); nx <= std::min(s.width - 1, x + 1); ++nx) {
      if (nx != x || ny != y) visit(static_cast<std::int32_t>(ny * s.width + nx));
    }
  }
}

}  // namespace

Segmentation segment(const float* planes, std::int64_t height, std::int64_t width) {
  static const std::array<Hue, kColours> kHues = hues();
  const std::int64_t pixels = height * width;
  Segmentation s{width, height, std::vector<std::int8_t>(pixels, Segmentation::kNothing), std::vector<float>(pixels),
                 std::vector<std::int8_t>(pixels)};
  for (std::int64_t p = 0; p < pixels; ++p) {
    std::array<float, 3> light{};
    float square = 0.0F;
    for (std::size_t c = 0; c < 3; ++c) {
      light[c] = planes[static_cast<std::int64_t>(c) * pixels + p] - static_cast<float>(shapes::kBackground[c]);
      square += light[c] * light[c];
    }
    float best = std::numeric_limits<float>::infinity(), amount = 0.0F;
    for (std::size_t k = 0; k < kColours; ++k) {
      const Hue& hue = kHues[k];
      const float dot = light[0] * hue.contrast[0] + light[1] * hue.contrast[1] + light[2] * hue.contrast[2];
      const float a = std::max(0.0F, dot / hue.square);
      const float distance = square - a * a * hue.square;
      if (distance < best) {
        best = distance;
        amount = a;
        s.nearest[p] = static_cast<std::int8_t>(k);
      }
    }
    s.coverage[p] = std::min(1.0F, amount);
    if (best > kFarthest * kFarthest) {
      s.label[p] = Segmentation::kOther;
    } else if (amount >= kHalfCovered) {
      s.label[p] = s.nearest[p];
    }
  }
  return s;
}

std::vector<Blob> blobs(const Segmentation& s) {
  const double smallest = kSmallestBlob * static_cast<double>(s.width * s.height);
  std::vector<bool> seen(s.label.size(), false);
  std::vector<Blob> found;
  for (std::int32_t start = 0; start < static_cast<std::int32_t>(s.label.size()); ++start) {
    if (seen[start] || s.label[start] == Segmentation::kNothing) continue;
    Blob blob{s.label[start], {start}};
    seen[start] = true;
    for (std::size_t next = 0; next < blob.pixels.size(); ++next) {
      for_each_neighbour(s, blob.pixels[next], [&](std::int32_t neighbour) {
        if (seen[neighbour] || s.label[neighbour] != blob.label) return;
        seen[neighbour] = true;
        blob.pixels.push_back(neighbour);
      });
    }
    if (static_cast<double>(blob.pixels.size()) >= smallest) found.push_back(std::move(blob));
  }
  return found;
}

SoftMask soft_mask(const Segmentation& s, const Blob& blob) {
  std::int64_t left = s.width, top = s.height, right = 0, bottom = 0;
  for (const std::int32_t pixel : blob.pixels) {
    left = std::min<std::int64_t>(left, pixel % s.width);
    right = std::max<std::int64_t>(right, pixel % s.width);
    top = std::min<std::int64_t>(top, pixel / s.width);
    bottom = std::max<std::int64_t>(bottom, pixel / s.width);
  }
  SoftMask mask;
  mask.left = std::max<std::int64_t>(0, left - 1);
  mask.top = std::max<std::int64_t>(0, top - 1);
  mask.width = std::min(s.width - 1, right + 1) - mask.left + 1;
  mask.height = std::min(s.height - 1, bottom + 1) - mask.top + 1;
  mask.covered.assign(static_cast<std::size_t>(mask.width * mask.height), 0.0F);
  const auto take = [&](std::int32_t pixel) {
    mask.covered[(pixel / s.width - mask.top) * mask.width + pixel % s.width - mask.left] = s.coverage[pixel];
  };
  for (const std::int32_t pixel : blob.pixels) {
    take(pixel);
    for_each_neighbour(s, pixel, [&](std::int32_t neighbour) {
      // An edge pixel's hue is weak and noisy: any dark pixel beside the blob is its edge.
      if (s.label[neighbour] == Segmentation::kNothing) take(neighbour);
    });
  }
  for (std::int64_t y = 0; y < mask.height; ++y) {
    for (std::int64_t x = 0; x < mask.width; ++x) {
      const auto a = static_cast<double>(mask.covered[y * mask.width + x]);
      mask.area += a;
      mask.x += a * (static_cast<double>(mask.left + x) + 0.5);
      mask.y += a * (static_cast<double>(mask.top + y) + 0.5);
    }
  }
  mask.x /= mask.area;
  mask.y /= mask.area;
  return mask;
}

}  // namespace espalier::shape_checker
