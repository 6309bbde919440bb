#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "plugins/reward/shape_checker/segmentation.h"
#include "plugins/shared/shapes/world.h"

namespace espalier::shape_checker {

// What an image shows of a prompt.
struct Findings {
  std::array<bool, 2> present = {false, false};  // a blob of the object's colour, of a sensible size
  std::array<bool, 2> shaped = {false, false};   // ... and the prompted shape fits it best
  bool related = false;                          // both present, and stand to each other as prompted
  std::int64_t extra_objects = 0;                // blobs that are neither of the two
};

inline constexpr double kColourWeight = 0.15;    // each of two
inline constexpr double kShapeWeight = 0.20;     // each of two
inline constexpr double kRelationWeight = 0.30;  // the five add up to 1

// planes: [3, height, width] in [0, 1], all finite.
Findings inspect(const float* planes, std::int64_t height, std::int64_t width, const shapes::Prompt& prompt);

// (sum of the weights of the statements that hold) (1 - extra_object_penalty)^extra_objects, in [0, 1].
double score(const Findings& findings, double extra_object_penalty);

// The blob of this palette colour with the most pixels; null: there is none.
const Blob* largest_blob(const std::vector<Blob>& found, std::uint8_t colour);

// The overlap sum(min) / sum(max) of a mask with a shape of equal area and centroid.
double overlap(const SoftMask& mask, shapes::Shape shape);

}  // namespace espalier::shape_checker
