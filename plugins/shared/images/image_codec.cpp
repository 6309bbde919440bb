#include "plugins/shared/images/image_codec.h"

#include <fmt/format.h>

#include "plugins/shared/images/latent_codec.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

constexpr const char* kUNet = "unet/config.json";
constexpr const char* kVae = "vae/config.json";

void check_conditions(const Value& architecture, Conditioning conditioning) {
  const bool takes_texts = architecture.contains("text_encoder");
  if (conditioning == Conditioning::texts && !takes_texts) {
    throw DataError("it has no text_encoder and no tokenizer, but the domain's conditions are prompts");
  }
  if (conditioning == Conditioning::none && takes_texts) {
    throw DataError("it has a text_encoder, but this domain's images have no prompts; take a U-Net without one");
  }
}

// [height, width] of a config's sample_size, in units of `factor` pixels: one number for both, a list, or null for the data's.
void read_sample_size(const Value& config, std::int64_t factor, ImageSize& size) {
  const auto& found = config.at("sample_size");
  if (found.is_integer()) size.height = size.width = factor * found.as_integer();
  if (found.is_list() && found.as_list().size() == 2) {
    size.height = factor * found.as_list()[0].as_integer();
    size.width = factor * found.as_list()[1].as_integer();
  }
}

void check_channels(const Value& config, std::int64_t channels, const char* origin) {
  for (const char* key : {"in_channels", "out_channels"}) {
    const auto found = config.at(key).as_integer();
    if (found == channels) continue;
    throw DataError(fmt::format("{}: {} is {}, but the domain's images have {} channels", origin, key, found, channels));
  }
}

std::size_t halvings(const Value& config) { return config.at("block_out_channels").as_list().size() - 1; }

void check_halvings(const Value& config, const char* what, std::int64_t height, std::int64_t width, const char* origin) {
  const auto divisor = std::int64_t{1} << halvings(config);
  if (height % divisor == 0 && width % divisor == 0) return;
  throw DataError(fmt::format("{}: halves {} {} times over, so their sides must be multiples of {}; they are {} x {}", origin, what,
                              halvings(config), divisor, width, height));
}

std::shared_ptr<const Codec> codec_of_pixels(const Value& unet, ImageSize size) {
  check_channels(unet, size.channels, kUNet);
  read_sample_size(unet, 1, size);
  check_halvings(unet, "images", size.height, size.width, kUNet);
  return make_pixel_codec(size);
}

std::shared_ptr<const Codec> codec_of_latents(const Value& unet, const Value& vae, ImageSize size, const ModelInfo& model) {
  const auto factor = std::int64_t{1} << halvings(vae);
  check_channels(vae, size.channels, kVae);
  read_sample_size(unet, factor, size);
  check_halvings(vae, "images", size.height, size.width, kVae);
  check_halvings(unet, "latents", size.height / factor, size.width / factor, kUNet);
  return make_latent_codec(size, model);
}

}  // namespace

std::shared_ptr<const Codec> make_image_codec(const ImageSize& data, Conditioning conditioning, const ModelInfo* model) {
  if (model == nullptr) return make_pixel_codec(data);
  const auto* unet = model->architecture.is_map() ? model->architecture.find("unet") : nullptr;
  if (unet == nullptr) throw DataError("it is no U-Net (" + std::string(kUNet) + "); images need one");
  check_conditions(model->architecture, conditioning);
  const auto* vae = model->architecture.find("vae");
  return vae == nullptr ? codec_of_pixels(*unet, data) : codec_of_latents(*unet, *vae, data, *model);
}

}  // namespace espalier::images
