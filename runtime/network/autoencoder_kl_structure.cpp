#include "runtime/network/autoencoder_kl_structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/network/config_keys.h"

namespace espalier::network {
namespace {

constexpr std::size_t kMostBlocks = 16;  // a side of 2^15 pixels for one of a latent

std::vector<ConfigKey> autoencoder_kl_keys() {
  using enum ConfigKey::Use;
  const Value none = nullptr;
  return {
      {"_class_name", "AutoencoderKL", fixed},
      {"_diffusers_version", kDiffusersVersion, ignored},
      {"_name_or_path", "", ignored},
      {"act_fn", "silu", fixed},
      {"block_out_channels", Value::List{64}},
      {"down_block_types", Value::List{"DownEncoderBlock2D"}},
      {"force_upcast", true},
      {"in_channels", 3},
      {"latent_channels", 4},
      {"latents_mean", none},
      {"latents_std", none},
      {"layers_per_block", 1},
      {"mid_block_add_attention", true},
      {"norm_num_groups", 32},
      {"out_channels", 3},
      {"sample_size", 32},  // of tiles
      {"scaling_factor", 0.18215},
      {"shift_factor", none},
      {"up_block_types", Value::List{"UpDecoderBlock2D"}},
      {"use_post_quant_conv", true},
      {"use_quant_conv", true},
  };
}

// One number for each channel of the latents; empty for null.
std::vector<double> read_of_latents(const ConfigReader& reader, const Value& config, const char* key, std::int64_t channels) {
  if (reader.is_null(key)) return {};
  const auto right = fmt::format("null, or a list of {} numbers, one for each of latent_channels", channels);
  const auto& list = config.at(key);
  if (!list.is_list() || std::ssize(list.as_list()) != channels) reader.refuse(key, right);
  std::vector<double> numbers;
  for (const auto& number : list.as_list()) {
    if (!number.is_number() || !std::isfinite(number.as_number())) reader.refuse(key, right);
    numbers.push_back(number.as_number());
  }
  return numbers;
}

void read_scaling(const ConfigReader& reader, const Value& config, AutoencoderKLStructure& vae) {
  reader.TypedTable::number("scaling_factor", vae.scaling_factor, {.above = 0});
  if (!reader.is_null("shift_factor")) vae.shift_factor = reader.number("shift_factor");
  vae.latents_mean = read_of_latents(reader, config, "latents_mean", vae.latent_channels);
  vae.latents_std = read_of_latents(reader, config, "latents_std", vae.latent_channels);
  if (vae.latents_mean.empty() && !vae.latents_std.empty()) reader.refuse("latents_mean", "a list too where latents_std is one");
  if (vae.latents_std.empty() && !vae.latents_mean.empty()) reader.refuse("latents_std", "a list too where latents_mean is one");
  if (std::ranges::any_of(vae.latents_std, [](double std) { return std <= 0; })) reader.refuse("latents_std", "above 0");
  if (!vae.latents_mean.empty() && !reader.is_null("shift_factor")) {
    reader.refuse("shift_factor", "null where there is a latents_mean, which takes its place");
  }
}

class Writer {
 public:
  Writer(const AutoencoderKLStructure& vae, const std::string& origin) : vae_(vae), origin_(origin) {}

  WeightSpecs write() {
    const auto count = vae_.channels.size();
    const auto innermost = vae_.channels.back(), outermost = vae_.channels.front();
    specs_.conv2d("encoder.conv_in", vae_.in_channels, outermost, 3);
    for (std::size_t i = 0; i < count; ++i) {
      const auto name = fmt::format("encoder.down_blocks.{}.", i);
      resnets(name, vae_.channels[i == 0 ? 0 : i - 1], vae_.channels[i], vae_.layers_per_block);
      if (i + 1 < count) specs_.conv2d(name + "downsamplers.0.conv", vae_.channels[i], vae_.channels[i], 3);
    }
    middle("encoder.mid_block.", innermost);
    group_norm("encoder.conv_norm_out", innermost);
    specs_.conv2d("encoder.conv_out", innermost, 2 * vae_.latent_channels, 3);
    if (vae_.quant_conv) specs_.conv2d("quant_conv", 2 * vae_.latent_channels, 2 * vae_.latent_channels, 1);
    if (vae_.post_quant_conv) specs_.conv2d("post_quant_conv", vae_.latent_channels, vae_.latent_channels, 1);
    specs_.conv2d("decoder.conv_in", vae_.latent_channels, innermost, 3);
    middle("decoder.mid_block.", innermost);
    for (std::size_t i = 0; i < count; ++i) {
      const auto name = fmt::format("decoder.up_blocks.{}.", i);
      const auto level = count - 1 - i;
      resnets(name, vae_.channels[i == 0 ? level : level + 1], vae_.channels[level], vae_.layers_per_block + 1);
      if (i + 1 < count) specs_.conv2d(name + "upsamplers.0.conv", vae_.channels[level], vae_.channels[level], 3);
    }
    group_norm("decoder.conv_norm_out", outermost);
    specs_.conv2d("decoder.conv_out", outermost, vae_.out_channels, 3);
    return std::move(specs_);
  }

 private:
  void group_norm(const std::string& name, std::int64_t channels) {
    if (channels % vae_.norm_num_groups != 0) {
      throw DataError(
          fmt::format("{}: norm_num_groups = {} does not divide the {} channels of {}", origin_, vae_.norm_num_groups, channels, name));
    }
    specs_.norm(name, channels);
  }

  void resnets(const std::string& block, std::int64_t in, std::int64_t out, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i, in = out) {
      const auto name = fmt::format("{}resnets.{}", block, i);
      group_norm(name + ".norm1", in);
      specs_.conv2d(name + ".conv1", in, out, 3);
      group_norm(name + ".norm2", out);
      specs_.conv2d(name + ".conv2", out, out, 3);
      if (in != out) specs_.conv2d(name + ".conv_shortcut", in, out, 1);
    }
  }

  void middle(const std::string& block, std::int64_t channels) {
    resnets(block, channels, channels, 2);
    if (!vae_.mid_block_attention) return;
    group_norm(block + "attentions.0.group_norm", channels);
    for (const auto* map : {"to_q", "to_k", "to_v", "to_out.0"}) specs_.linear(block + "attentions.0." + map, channels, channels);
  }

  const AutoencoderKLStructure& vae_;
  const std::string& origin_;
  WeightSpecs specs_;
};

}  // namespace

Value complete_autoencoder_kl_config(const Value& given, const std::string& origin) {
  auto config = complete_config(given, autoencoder_kl_keys(), origin);
  for (const auto* key : {"scaling_factor", "shift_factor"}) {
    if (config.at(key).is_integer()) config[key] = config.at(key).as_number();  // one function, one config: it enters keys
  }
  config["_diffusers_version"] = kDiffusersVersion;
  return config;
}

AutoencoderKLStructure read_autoencoder_kl_structure(const Value& complete, const std::string& origin) {
  const ConfigReader reader(complete, origin);
  AutoencoderKLStructure vae;
  vae.in_channels = reader.natural("in_channels");
  vae.out_channels = reader.natural("out_channels");
  vae.latent_channels = reader.natural("latent_channels");
  vae.channels = reader.naturals("block_out_channels");
  if (vae.channels.size() > kMostBlocks) reader.refuse("block_out_channels", fmt::format("of at most {} blocks", kMostBlocks));
  const auto count = vae.channels.size();
  if (reader.texts("down_block_types", {"DownEncoderBlock2D"}).size() != count) {
    reader.refuse("down_block_types", "as long as block_out_channels");
  }
  if (reader.texts("up_block_types", {"UpDecoderBlock2D"}).size() != count) {
    reader.refuse("up_block_types", "as long as block_out_channels");
  }
  vae.layers_per_block = reader.natural("layers_per_block");
  vae.norm_num_groups = reader.natural("norm_num_groups");
  vae.mid_block_attention = reader.boolean("mid_block_add_attention");
  vae.quant_conv = reader.boolean("use_quant_conv");
  vae.post_quant_conv = reader.boolean("use_post_quant_conv");
  vae.force_upcast = reader.boolean("force_upcast");
  read_scaling(reader, complete, vae);
  return vae;
}

std::int64_t read_tile(const Value& complete, const std::string& origin, std::int64_t factor) {
  const auto& size = complete.at("sample_size");
  const auto unit = 4 * factor;
  if (!size.is_integer() || size.as_integer() < unit || size.as_integer() % unit != 0) {
    ConfigReader(complete, origin)
        .refuse("sample_size", fmt::format("a multiple of {} for vae_tiling, whose tiles of that side overlap by a quarter", unit));
  }
  return size.as_integer();
}

WeightSpecs autoencoder_kl_weights(const AutoencoderKLStructure& structure, const std::string& origin) {
  return Writer(structure, origin).write();
}

}  // namespace espalier::network
