#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/network/config_keys.h"
#include "runtime/network/unet_structure.h"

namespace espalier::network {
namespace {

std::vector<ConfigKey> unet_keys() {
  using enum ConfigKey::Use;
  const Value none = nullptr;
  const Value::List down{"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"};
  const Value::List up{"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
  return {
      {"_class_name", "UNet2DConditionModel", fixed},
      {"_diffusers_version", kDiffusersVersion, ignored},
      {"_name_or_path", "", ignored},
      {"act_fn", "silu", fixed},
      {"addition_embed_type", none},
      {"addition_embed_type_num_heads", 64},
      {"addition_time_embed_dim", none},
      {"attention_head_dim", 8},
      {"attention_type", "default", fixed},
      {"block_out_channels", Value::List{320, 640, 1280, 1280}},
      {"center_input_sample", false},
      {"class_embed_type", none},
      {"class_embeddings_concat", false, fixed},
      {"conv_in_kernel", 3},
      {"conv_out_kernel", 3},
      {"cross_attention_dim", 1280},
      {"cross_attention_norm", none, fixed},
      {"down_block_types", down},
      {"downsample_padding", 1},
      {"dropout", 0.0, fixed},
      {"dual_cross_attention", false, fixed},
      {"encoder_hid_dim", none, fixed},
      {"encoder_hid_dim_type", none, fixed},
      {"flip_sin_to_cos", true},
      {"freq_shift", 0},
      {"in_channels", 4},
      {"layers_per_block", 2},
      {"mid_block_only_cross_attention", none},
      {"mid_block_scale_factor", 1.0},
      {"mid_block_type", "UNetMidBlock2DCrossAttn"},
      {"norm_eps", 1e-5},
      {"norm_num_groups", 32},
      {"num_attention_heads", none, fixed},
      {"num_class_embeds", none, fixed},
      {"only_cross_attention", false, fixed},
      {"out_channels", 4},
      {"projection_class_embeddings_input_dim", none},
      {"resnet_out_scale_factor", 1.0, fixed},
      {"resnet_skip_time_act", false, fixed},
      {"resnet_time_scale_shift", "default", fixed},
      {"reverse_transformer_layers_per_block", none, fixed},
      {"sample_size", none},
      {"time_cond_proj_dim", none, fixed},
      {"time_embedding_act_fn", none, fixed},
      {"time_embedding_dim", none},
      {"time_embedding_type", "positional", fixed},
      {"timestep_post_act", none, fixed},
      {"transformer_layers_per_block", 1},
      {"up_block_types", up},
      {"upcast_attention", false},  // without effect: attention() has its scores and softmax in float32 always
      {"use_linear_projection", false},
  };
}

// The part of the config that says what the blocks are.
struct BlockKeys {
  std::vector<std::string> down_types, up_types;
  std::vector<std::int64_t> channels, layers, heads, transformer_layers, cross_attention_dim;
};

BlockKeys read_block_keys(const ConfigReader& reader) {
  BlockKeys keys;
  keys.down_types = reader.texts("down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D"});
  keys.up_types = reader.texts("up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"});
  keys.channels = reader.naturals("block_out_channels");
  const auto count = keys.channels.size();
  if (keys.down_types.size() != count) reader.refuse("down_block_types", "as long as block_out_channels");
  if (keys.up_types.size() != count) reader.refuse("up_block_types", "as long as block_out_channels");
  keys.layers = reader.naturals("layers_per_block", count);
  keys.heads = reader.naturals("attention_head_dim", count);  // diffusers reads it as the number of heads, to stay compatible
  keys.transformer_layers = reader.naturals("transformer_layers_per_block", count);
  keys.cross_attention_dim = reader.naturals("cross_attention_dim", count);
  return keys;
}

BlockStructure block_of(const BlockKeys& keys, std::size_t level, bool attention) {
  BlockStructure block;
  block.attention = attention;
  block.channels = keys.channels[level];
  block.heads = keys.heads[level];
  block.transformer_layers = keys.transformer_layers[level];
  block.cross_attention_dim = keys.cross_attention_dim[level];
  return block;
}

void read_down_blocks(const BlockKeys& keys, UNetStructure& unet) {
  const auto count = keys.channels.size();
  for (std::size_t i = 0; i < count; ++i) {
    auto block = block_of(keys, i, keys.down_types[i] == "CrossAttnDownBlock2D");
    for (std::int64_t layer = 0; layer < keys.layers[i]; ++layer) {
      block.resnets.push_back({layer > 0 ? keys.channels[i] : keys.channels[i == 0 ? 0 : i - 1], keys.channels[i]});
    }
    block.resample = i + 1 < count;
    unet.down.push_back(std::move(block));
  }
}

void read_up_blocks(const BlockKeys& keys, UNetStructure& unet) {
  const auto count = keys.channels.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto level = count - 1 - i;
    auto block = block_of(keys, level, keys.up_types[i] == "CrossAttnUpBlock2D");
    const auto below = keys.channels[level + 1 < count ? level + 1 : level];
    const auto above = keys.channels[level == 0 ? 0 : level - 1];
    for (std::int64_t layer = 0; layer <= keys.layers[level]; ++layer) {
      const auto skip = layer == keys.layers[level] ? above : keys.channels[level];
      block.resnets.push_back({(layer == 0 ? below : keys.channels[level]) + skip, keys.channels[level]});
    }
    block.resample = i + 1 < count;
    unet.up.push_back(std::move(block));
  }
}

void read_middle(const ConfigReader& reader, const BlockKeys& keys, UNetStructure& unet) {
  if (reader.is_null("mid_block_type")) return;
  const auto type = reader.text("mid_block_type", {"UNetMidBlock2DCrossAttn", "UNetMidBlock2D"});
  auto block = block_of(keys, keys.channels.size() - 1, type == "UNetMidBlock2DCrossAttn");
  block.resnets.assign(block.attention ? 2 : 1, {block.channels, block.channels});
  unet.middle = std::move(block);
}

void read_added_embedding(const ConfigReader& reader, const BlockKeys& keys, UNetStructure& unet) {
  if (reader.is_null("addition_embed_type")) return;
  if (reader.text("addition_embed_type", {"text", "text_time"}) == "text_time") {
    unet.added_id_dim = reader.natural("addition_time_embed_dim");
    unet.added_dim = reader.natural("projection_class_embeddings_input_dim");
    return;
  }
  unet.text_embed_dim = keys.cross_attention_dim.front();
  if (std::ranges::count(keys.cross_attention_dim, unet.text_embed_dim) != std::ssize(keys.cross_attention_dim)) {
    reader.refuse("cross_attention_dim", "one number with addition_embed_type \"text\"");
  }
  unet.text_embed_heads = reader.natural("addition_embed_type_num_heads");
  if (unet.text_embed_dim % unet.text_embed_heads != 0) reader.refuse("addition_embed_type_num_heads", "a divisor of cross_attention_dim");
}

void read_embeddings(const ConfigReader& reader, const BlockKeys& keys, UNetStructure& unet) {
  unet.time_embed_dim = reader.is_null("time_embedding_dim") ? 4 * unet.base_channels : reader.natural("time_embedding_dim");
  if (!reader.is_null("class_embed_type")) {
    reader.text("class_embed_type", {"projection"});
    unet.class_embed_dim = reader.natural("projection_class_embeddings_input_dim");
  }
  read_added_embedding(reader, keys, unet);
}

void check_sample_size(const ConfigReader& reader, const Value& size) {
  const auto is_extent = [](const Value& value) {
    return value.is_integer() && value.as_integer() >= 1 && value.as_integer() <= kMostExtent;
  };
  if (size.is_null() || is_extent(size)) return;
  const bool pair = size.is_list() && size.as_list().size() == 2 && std::ranges::all_of(size.as_list(), is_extent);
  if (!pair) reader.refuse("sample_size", "null, an integer from 1, or [height, width] of such");
}

}  // namespace

bool UNetStructure::needs_text() const {
  const auto attends = [](const BlockStructure& block) { return block.attention; };
  return text_embed_dim > 0 || (middle && middle->attention) || std::ranges::any_of(down, attends) || std::ranges::any_of(up, attends);
}

Value complete_unet_config(const Value& given, const std::string& origin) {
  auto config = complete_config(given, unet_keys(), origin);
  for (const auto* key : {"norm_eps", "mid_block_scale_factor"}) {
    if (config.at(key).is_integer()) config[key] = config.at(key).as_number();  // one function, one config: it enters keys
  }
  config["_diffusers_version"] = kDiffusersVersion;
  return config;
}

UNetStructure read_unet_structure(const Value& complete, const std::string& origin) {
  const ConfigReader reader(complete, origin);
  const auto keys = read_block_keys(reader);
  UNetStructure unet;
  unet.in_channels = reader.natural("in_channels");
  unet.out_channels = reader.natural("out_channels");
  unet.conv_in_kernel = reader.natural("conv_in_kernel");
  unet.conv_out_kernel = reader.natural("conv_out_kernel");
  for (const auto* key : {"conv_in_kernel", "conv_out_kernel"}) {
    if (reader.natural(key) % 2 == 0) reader.refuse(key, "odd, or the image would shrink");
  }
  unet.center_input_sample = reader.boolean("center_input_sample");
  unet.flip_sin_to_cos = reader.boolean("flip_sin_to_cos");
  unet.freq_shift = reader.number("freq_shift");
  unet.base_channels = keys.channels.front();
  unet.norm_num_groups = reader.natural("norm_num_groups");
  unet.norm_eps = reader.number("norm_eps");
  unet.use_linear_projection = reader.boolean("use_linear_projection");
  unet.mid_block_scale_factor = reader.number("mid_block_scale_factor");
  const auto& padding = complete.at("downsample_padding");
  if (!padding.is_integer() || padding.as_integer() < 0 || padding.as_integer() > 1) reader.refuse("downsample_padding", "0 or 1");
  unet.downsample_padding = padding.as_integer();
  if (!reader.is_null("upcast_attention")) reader.boolean("upcast_attention");
  const auto& only = complete.at("mid_block_only_cross_attention");
  if (!only.is_null() && !(only.is_bool() && !only.as_bool())) reader.refuse("mid_block_only_cross_attention", "null or false");
  check_sample_size(reader, complete.at("sample_size"));
  read_embeddings(reader, keys, unet);
  read_down_blocks(keys, unet);
  read_middle(reader, keys, unet);
  read_up_blocks(keys, unet);
  return unet;
}

}  // namespace espalier::network
