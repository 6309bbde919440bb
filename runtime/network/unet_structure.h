#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/network/layers.h"

namespace espalier::network {

struct ResnetStructure {
  std::int64_t in_channels;
  std::int64_t out_channels;
};

// A down, middle or up block: residual networks, a transformer after each (after all but the first in the middle), then a resampling.
struct BlockStructure {
  std::vector<ResnetStructure> resnets;
  bool attention = false;
  std::int64_t channels = 0;
  std::int64_t transformer_layers = 1;
  std::int64_t heads = 1;
  std::int64_t cross_attention_dim = 0;
  bool resample = false;
};

// A UNet2DConditionModel's config, understood.
struct UNetStructure {
  std::int64_t in_channels = 0, out_channels = 0;
  std::int64_t conv_in_kernel = 3, conv_out_kernel = 3;
  bool center_input_sample = false;
  bool flip_sin_to_cos = true;
  double freq_shift = 0.0;
  std::int64_t base_channels = 0;  // of the first block, and of the sinusoids
  std::int64_t time_embed_dim = 0;
  std::int64_t class_embed_dim = 0;  // of a "projection" class embedding; 0: none
  std::int64_t text_embed_dim = 0;   // of a "text" addition embedding; 0: none
  std::int64_t text_embed_heads = 0;
  std::int64_t added_dim = 0;     // of a "text_time" addition embedding's input: text_embeds and the sinusoids of time_ids; 0: none
  std::int64_t added_id_dim = 0;  // sinusoids of each of time_ids
  std::int64_t norm_num_groups = 0;
  double norm_eps = 1e-5;
  bool use_linear_projection = false;
  std::int64_t downsample_padding = 1;
  double mid_block_scale_factor = 1.0;
  std::vector<BlockStructure> down, up;
  std::optional<BlockStructure> middle;
  bool needs_text() const;
};

// Every key of diffusers' config.json with its default; what is not supported is refused. Throws DataError naming origin.
Value complete_unet_config(const Value& given, const std::string& origin);
UNetStructure read_unet_structure(const Value& complete, const std::string& origin);

// The state_dict's names and shapes. Throws DataError naming origin if channels do not divide into norm groups or heads.
WeightSpecs unet_weights(const UNetStructure& structure, const std::string& origin);

// UNet::flops().
double unet_flops(const UNetStructure& unet, std::int64_t height, std::int64_t width, std::int64_t tokens);

}  // namespace espalier::network
