#pragma once

#include <cstdint>
#include <optional>

#include "plugins/shared/shapes/world.h"

namespace espalier::shape_checker {

// How far an image is from what the world's renderer draws: the root mean square difference, over pixels and channels, to the nearest
// rendering of the prompt's two objects. Their positions and radii, in pixels, are free and found by a pattern search that begins at the
// objects' areas and centroids and ends with steps of 1/64 pixel. Of images that show all of the prompt and nothing else; others
// have none. planes: [3, height, width] in [0, 1], all finite.
std::optional<double> misfit(const float* planes, std::int64_t height, std::int64_t width, const shapes::Prompt& prompt);

}  // namespace espalier::shape_checker
