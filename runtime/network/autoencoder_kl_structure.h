#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/network/layers.h"

namespace espalier::network {

// An AutoencoderKL's config, understood.
struct AutoencoderKLStructure {
  std::int64_t in_channels = 0, out_channels = 0, latent_channels = 0;
  std::vector<std::int64_t> channels;  // of the blocks, from the image inwards
  std::int64_t layers_per_block = 0;   // of the encoder; the decoder's blocks have one more
  std::int64_t norm_num_groups = 0;
  bool mid_block_attention = true;
  bool quant_conv = true, post_quant_conv = true;
  bool force_upcast = true;
  double scaling_factor = 1.0, shift_factor = 0.0;
  std::vector<double> latents_mean, latents_std;  // [latent_channels], or both empty
};

// Every key of diffusers' config.json with its default; what is not supported is refused. Throws DataError naming origin.
Value complete_autoencoder_kl_config(const Value& given, const std::string& origin);
AutoencoderKLStructure read_autoencoder_kl_structure(const Value& complete, const std::string& origin);

// The side of a tile in pixels, sample_size, for images that are `factor` times as large as their latents. Throws DataError naming origin
// where it is no integer, or the quarter in which tiles overlap is no whole number of latents.
std::int64_t read_tile(const Value& complete, const std::string& origin, std::int64_t factor);

// The state_dict's names and shapes. Throws DataError naming origin if channels do not divide into norm groups.
WeightSpecs autoencoder_kl_weights(const AutoencoderKLStructure& structure, const std::string& origin);

}  // namespace espalier::network
