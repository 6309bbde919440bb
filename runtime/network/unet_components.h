#pragma once

#include "runtime/network/unet_network.h"

// Whether a U-Net, its text encoders and the settings fit together: of make_unet_network() a part.
namespace espalier::network {

// Throws DataError naming the origin of the U-Net's config, the key, and what would be right.
void check_components(const Value& unet, const std::string& origin, const std::vector<UNetNetwork::TextEncoder>& encoders,
                      const NetworkSettings& settings);

// Of a U-Net with addition_embed_type "text_time" original height and width, crop's top and left, target height and width, in pixels; where
// the settings name no size, the U-Net's sample_size times the VAE's factor (8 without a VAE, as in diffusers). Of another U-Net none.
std::vector<float> size_ids(const Value& unet, const std::string& origin, const std::optional<AutoencoderKL>& vae,
                            const NetworkSettings& settings);

}  // namespace espalier::network
