#pragma once

#include "runtime/network/unet_network.h"

// Checks that a U-Net, its text encoders and the settings fit together; a part of make_unet_network().
namespace espalier::network {

// Throws DataError naming the origin of the U-Net's config, the key, and what would be right.
void check_components(const Value& unet, const std::string& origin, const std::vector<UNetNetwork::TextEncoder>& encoders,
                      const NetworkSettings& settings);

// Returns the size ids of a U-Net with addition_embed_type "text_time": original height and width, top and left of the crop, target height
// and width, in pixels. Without a size in the settings it is the U-Net's sample_size times the VAE's factor (8 without a VAE, as in
// diffusers). Empty for another U-Net.
std::vector<float> size_ids(const Value& unet, const std::string& origin, const std::optional<AutoencoderKL>& vae,
                            const NetworkSettings& settings);

}  // namespace espalier::network
