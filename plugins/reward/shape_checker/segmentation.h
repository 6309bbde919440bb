#pragma once

#include <cstdint>
#include <vector>

#include "plugins/shared/shapes/world.h"

namespace espalier::shape_checker {

// An image's bright pixels by the palette colour whose blends with the background they lie nearest to.
//   coverage a of colour c at pixel p: the a >= 0 that minimises |p - (background + a (c - background))|
//   a pixel belongs to the colour with the smallest such distance if a >= 0.5; to kOther if that distance exceeds 0.3; else to nothing.
struct Segmentation {
  static constexpr std::int8_t kNothing = -1;
  static constexpr std::int8_t kOther = static_cast<std::int8_t>(shapes::kPalette.size());
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::int8_t> label;    // [height, width]: an index into the palette, kOther or kNothing
  std::vector<float> coverage;       // [height, width], in [0, 1], of the nearest colour, also where the label is kNothing
  std::vector<std::int8_t> nearest;  // [height, width], the nearest colour
};

// planes: [3, height, width] in [0, 1].
Segmentation segment(const float* planes, std::int64_t height, std::int64_t width);

// A connected group (8 neighbours) of pixels of one label, at least kSmallestBlob of the image; smaller specks are dropped.
inline constexpr double kSmallestBlob = 0.0225;  // half of the world's smallest object
struct Blob {
  std::int8_t label = Segmentation::kNothing;
  std::vector<std::int32_t> pixels;
};
std::vector<Blob> blobs(const Segmentation& segmentation);

// What a blob covers: its pixels' coverage with that of the ring of edge pixels around it, in a window of its own.
struct SoftMask {
  std::int64_t left = 0, top = 0, width = 0, height = 0;
  std::vector<float> covered;  // [height, width], in [0, 1]
  double area = 0.0;           // in pixels
  double x = 0.0, y = 0.0;     // centroid, in pixels from the image's top left corner
};
SoftMask soft_mask(const Segmentation& segmentation, const Blob& blob);

}  // namespace espalier::shape_checker
