#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/value.h"

namespace espalier::network {

// What a network and its autoencoder depend on besides its components' configs and its weights, under the names of diffusers: keys of
// model_index.json and of a model's entry in [models].
struct NetworkSettings {
  std::int64_t clip_skip = 0;                 // layers that are left out at the end of each text encoder
  bool force_zeros_for_empty_prompt = false;  // the null condition is embedded as zeros where no negative prompt is given
  std::string sample_mode = "argmax";         // an autoencoder's latents of an example: the posterior's mean, or "sample"
  bool vae_tiling = false;                    // an autoencoder computes what is larger than a tile in tiles (network/tiles.h)

  // The size ids of SDXL, [height, width] each in pixels. Empty: the U-Net's sample_size times the VAE's factor.
  std::vector<std::int64_t> original_size = {};
  std::vector<std::int64_t> crops_coords_top_left = {0, 0};
  std::vector<std::int64_t> target_size = {};

  // Takes the keys that are there. Throws DataError naming origin and key.
  void read(const Value& given, const std::string& origin);
  // The keys that are not at their defaults; enters keys.
  Value to_value() const;
};

}  // namespace espalier::network
