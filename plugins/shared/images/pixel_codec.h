#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/sdk/domain.h"

namespace espalier::images {

// The images of a domain.
struct ImageSize {
  std::int64_t channels = 3;
  std::int64_t height = 0, width = 0;
};

// Whether a domain's conditions are texts, which its models must take, or nothing, which they must not need.
enum class Conditioning { texts, none };

// The state "sample" [C, H, W] is the image itself, [0, 1] as [-1, 1]. H and W are the U-Net's `sample_size`; without one, and without a
// model, the data's own. encode() resizes images of another size. Throws DataError naming the config's key where the model is no U-Net of
// these channels, halves its images more often than their sides allow, or takes other conditions.
std::shared_ptr<const Codec> make_pixel_codec(const ImageSize& data, Conditioning conditioning, const ModelInfo* model);

// The image that decode() gives back, bit for bit, of one that is encoded: [0, 1] rounded to what a float in [-1, 1] holds.
at::Tensor as_decoded(const at::Tensor& image);

}  // namespace espalier::images
