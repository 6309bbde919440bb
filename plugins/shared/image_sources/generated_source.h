#pragma once

#include <cstdint>
#include <memory>

#include "plugins/shared/image_sources/source.h"

namespace espalier::images {

inline constexpr std::int64_t kGeneratedTrain = 4096;
inline constexpr std::int64_t kGeneratedHeldOut = 1024;

// A set of grey images for a machine without data: one to three anti-aliased objects (disc, ring, square, triangle) of any place, size
// and brightness on a dark ground, the later ones in front. An image's class is the kind of the foremost object. Image i of a split is
// always the same one, as in a set that was downloaded: no seed of a run enters. Throws ConfigError below 12 pixels.
std::unique_ptr<Source> make_generated_source(std::int64_t resolution);  // 0: 16 pixels

}  // namespace espalier::images
