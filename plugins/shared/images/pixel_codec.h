#pragma once

#include <cstdint>
#include <memory>

#include "runtime/sdk/domain.h"

namespace espalier::images {

// The images of a domain.
struct ImageSize {
  std::int64_t channels = 3;
  std::int64_t height = 0, width = 0;
};

// The state "sample" [C, H, W] is the image itself, [0, 1] as [-1, 1]. encode() resizes images of another size.
std::shared_ptr<const Codec> make_pixel_codec(const ImageSize& size);

// The image that decode() gives back, bit for bit, of one that is encoded: [0, 1] rounded to what a float in [-1, 1] holds.
at::Tensor as_decoded(const at::Tensor& image);

}  // namespace espalier::images
