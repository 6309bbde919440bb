#pragma once

#include <memory>

#include "plugins/shared/images/pixel_codec.h"
#include "runtime/base/value.h"

namespace espalier::images {

// The state "sample" [latent_channels, H / f, W / f] is the image in the latent space of the model's vae (diffusers' AutoencoderKL):
// encode() gives the posterior's mean, shifted and scaled as the config says; decode() takes that back, and clamps the image to [0, 1].
// encode() resizes images of another size. Images go through the vae one at a time: the bits of one do not depend on its batch, and
// memory does not grow with the batch. float16 weights of a model of two text encoders whose vae has force_upcast compute in float32, as
// diffusers' StableDiffusionXLPipeline does.
// architecture: ModelInfo's, with a "vae". f = 2^(its blocks - 1) divides H and W.
std::shared_ptr<const Codec> make_latent_codec(const ImageSize& image, const Value& architecture);

}  // namespace espalier::images
