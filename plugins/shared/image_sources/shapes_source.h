#pragma once

#include <cstdint>
#include <memory>

#include "plugins/shared/image_sources/source.h"

namespace espalier::images {

// Errors put into training examples on purpose, so that a model trained on them errs as real ones do.
struct CaptionNoise {
  double relation = 0.0;  // probability that the image shows one of the three other relations
  double binding = 0.0;   // probability that the image swaps the two objects' colours
};

// The shapes world (plugins/shared/shapes): 480 training and 240 held-out prompts, none with a twin in the other split; images are drawn
// as they are asked for, position i from random::streams::examples(seed, 0 for "train" and 1 for "held_out"), sample i. Noise is for
// "train" alone.
std::unique_ptr<Source> make_shapes_source(std::int64_t resolution, CaptionNoise noise, std::uint64_t seed);

}  // namespace espalier::images
