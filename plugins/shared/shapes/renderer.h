#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "plugins/shared/shapes/world.h"

namespace espalier::shapes {

inline constexpr std::int64_t kSmallestImage = 12;  // below, circles and squares look alike
inline constexpr double kSmallestRadius = 0.15;     // of an object, in image widths
inline constexpr double kLargestRadius = 0.21;

// An object in image widths, y pointing down. All shapes fit the box of half side `radius` around (x, y): the circle fills it, the
// square has half side 0.9 radius, the triangle has its apex at the top and its base at the bottom.
struct Object {
  Shape shape = Shape::circle;
  std::uint8_t colour = 0;
  double x = 0.5;
  double y = 0.5;
  double radius = 0.2;
};
using Scene = std::array<Object, 2>;

// Area and vertical distance from the box's middle down to the centroid, for radius 1.
double unit_area(Shape shape);
double unit_centroid_y(Shape shape);

// Where a prompt's objects stand, from numbers uniform on (0, 1): both inside the image by 0.03, their boxes at least 0.07 apart along
// the relation's axis, and across it off by at most 0.4 of their distance.
using Jitter = std::array<double, 6>;
Scene place(const Prompt& prompt, const Jitter& jitter);

// How much of each pixel a shape covers, by 8 x 8 samples a pixel, into `covered` [height, width] row by row. Here x, y and radius are in
// pixels from the top left corner of that window.
void coverage(Shape shape, double x, double y, double radius, std::int64_t width, std::int64_t height, float* covered);

// [3, size, size] float in [0, 1]. Throws ConfigError below kSmallestImage.
at::Tensor render(const Scene& scene, std::int64_t size);

}  // namespace espalier::shapes
