#include "runtime/network/unet_components.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier::network {
namespace {

using TextEncoders = std::vector<UNetNetwork::TextEncoder>;

bool is_text_time(const Value& unet) { return unet.at("addition_embed_type") == Value("text_time"); }

void refuse_conditions(const Value& unet, const std::string& origin) {
  const auto refuse = [&origin](const std::string& key, const std::string& found, const std::string& right) {
    throw DataError(
        fmt::format("{}: {} has {}, but the folder has no text_encoder to attend to; add one, or take {}", origin, key, found, right));
  };
  const auto attends = [](const Value& type) { return type.is_string() && type.as_string().find("CrossAttn") != std::string::npos; };
  for (const auto& [key, right] : {std::pair{"down_block_types", "DownBlock2D"}, std::pair{"up_block_types", "UpBlock2D"}}) {
    for (const Value& type : unet.at(key).as_list()) {
      if (attends(type)) refuse(key, type.as_string(), right);
    }
  }
  const Value& middle = unet.at("mid_block_type");
  if (attends(middle)) refuse("mid_block_type", middle.as_string(), "UNetMidBlock2D, or null for none");
  for (const char* key : {"addition_embed_type", "class_embed_type"}) {
    if (!unet.at(key).is_null()) refuse(key, to_json(unet.at(key)), "null");
  }
}

void check_which(const Value& unet, const std::string& origin, const TextEncoders& encoders) {
  const bool both = encoders.size() == 2;
  if (is_text_time(unet) && !both) {
    throw DataError(fmt::format("{}: addition_embed_type \"text_time\" needs text_encoder and text_encoder_2, but the folder has {} alone",
                                origin, encoders.front().component));
  }
  if (!is_text_time(unet) && (both || encoders.front().component != "text_encoder")) {
    throw DataError(fmt::format("{}: the folder has a text_encoder_2, but addition_embed_type is {}; it must be \"text_time\"", origin,
                                to_json(unet.at("addition_embed_type"))));
  }
  if (both && !encoders.back().clip.has_projection()) {
    throw DataError(origin + ": text_encoder_2 has no text_projection; its config's architectures must name CLIPTextModelWithProjection");
  }
}

void check_widths(const Value& unet, const std::string& origin, const TextEncoders& encoders) {
  std::int64_t width = 0;
  for (const auto& encoder : encoders) width += encoder.clip.config().at("hidden_size").as_integer();
  const Value& attends = unet.at("cross_attention_dim");
  if (attends.is_integer() && attends.as_integer() != width) {
    throw DataError(fmt::format("{}: cross_attention_dim is {}, but {} {}", origin, attends.as_integer(),
                                encoders.size() == 1 ? "the text encoder's hidden_size is" : "the text encoders' hidden_size add up to",
                                width));
  }
  if (!is_text_time(unet)) return;
  const auto pooled = encoders.back().clip.config().at("projection_dim").as_integer();
  const auto each = unet.at("addition_time_embed_dim").as_integer(), all = unet.at("projection_class_embeddings_input_dim").as_integer();
  if (all == pooled + 6 * each) return;
  throw DataError(
      fmt::format("{}: projection_class_embeddings_input_dim is {}, but text_encoder_2's projection_dim and 6 size ids of "
                  "addition_time_embed_dim give {} + 6 * {} = {}",
                  origin, all, pooled, each, pooled + 6 * each));
}

void check_settings(const Value& unet, const std::string& origin, const TextEncoders& encoders, const NetworkSettings& settings) {
  for (const auto& encoder : encoders) {
    const auto most = encoder.clip.config().at("num_hidden_layers").as_integer() - (is_text_time(unet) ? 2 : 1);
    if (settings.clip_skip <= most) continue;
    throw DataError(fmt::format("{}: clip_skip = {} leaves no layer of {}; it must be at most {}", origin, settings.clip_skip,
                                encoder.component, std::max<std::int64_t>(most, 0)));
  }
  const auto given = settings.to_value();
  for (const char* key : {"original_size", "crops_coords_top_left", "target_size"}) {
    if (given.contains(key) && !is_text_time(unet))
      throw DataError(fmt::format("{}: this U-Net takes no {}; leave it out (addition_embed_type is not \"text_time\")", origin, key));
  }
}

// Height and width that the U-Net is made for, in pixels.
std::vector<std::int64_t> image_size(const Value& sample_size, const std::string& origin, std::int64_t factor) {
  if (sample_size.is_integer()) return {factor * sample_size.as_integer(), factor * sample_size.as_integer()};
  if (!sample_size.is_list()) {
    throw DataError(origin + ": sample_size is null, so that the size ids have no default; set original_size and target_size");
  }
  std::vector<std::int64_t> size;
  std::ranges::transform(sample_size.as_list(), std::back_inserter(size), [&](const Value& value) { return factor * value.as_integer(); });
  return size;
}

}  // namespace

void check_components(const Value& unet, const std::string& origin, const TextEncoders& encoders, const NetworkSettings& settings) {
  if (encoders.empty()) return refuse_conditions(unet, origin);
  check_which(unet, origin, encoders);
  check_widths(unet, origin, encoders);
  check_settings(unet, origin, encoders, settings);
}

std::vector<float> size_ids(const Value& unet, const std::string& origin, const std::optional<AutoencoderKL>& vae,
                            const NetworkSettings& settings) {
  if (!is_text_time(unet)) return {};
  const auto factor = vae ? vae->factor() : 8;
  std::vector<float> ids;
  for (const auto* pair : {&settings.original_size, &settings.crops_coords_top_left, &settings.target_size}) {
    const auto numbers = pair->empty() ? image_size(unet.at("sample_size"), origin, factor) : *pair;
    ids.insert(ids.end(), numbers.begin(), numbers.end());
  }
  return ids;
}

}  // namespace espalier::network
