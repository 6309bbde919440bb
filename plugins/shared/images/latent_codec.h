#pragma once

#include <memory>

#include "plugins/shared/images/pixel_codec.h"
#include "runtime/modelfile/model.h"

namespace espalier::images {

// The state "sample" [latent_channels, H / f, W / f] is the image in the latent space of the model's vae (diffusers' AutoencoderKL):
// encode() gives the posterior's mean or, where the model's setting sample_mode is "sample", a sample of it, mean + exp(logvar / 2) noise,
// drawn from CodecContext::draws; shifted and scaled as the config says. decode() takes that back, and clamps the image to [0, 1].
// encode() resizes images of another size. Images go through the vae one at a time: the bits of one do not depend on its batch, and
// memory does not grow with the batch. With the setting vae_tiling it goes through the larger ones in tiles (network/tiles.h). float16
// weights of a model of two text encoders whose vae has force_upcast compute in float32, as diffusers' StableDiffusionXLPipeline does.
// model: its architecture has a "vae". f = 2^(the vae's blocks - 1) divides H and W.
std::shared_ptr<const Codec> make_latent_codec(const ImageSize& image, const ModelInfo& model);

}  // namespace espalier::images
