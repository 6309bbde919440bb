#pragma once

#include <memory>

#include "plugins/shared/images/pixel_codec.h"

namespace espalier::images {

// Whether a domain's conditions are texts, which its models must take, or nothing, which they must not need.
enum class Conditioning { texts, none };

// The codec of a model's states: latents where it has a vae, pixels where not. Images have the size that the U-Net's `sample_size` gives;
// without one, and without a model, the data's own. Throws DataError naming the config's key where the model is no U-Net of these channels,
// halves its images or latents more often than their sides allow, or takes other conditions.
std::shared_ptr<const Codec> make_image_codec(const ImageSize& data, Conditioning conditioning, const ModelInfo* model);

}  // namespace espalier::images
