#include "runtime/network/unet_network.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"

namespace espalier::network {
namespace {

constexpr const char* kUNet = "unet.";                 // prefix of diffusers' names
constexpr const char* kTextEncoder = "text_encoder.";  // prefix of transformers' names
constexpr const char* kVae = "vae.";

void refuse_conditions(const Value& config, const std::string& origin) {
  const auto refuse = [&origin](const std::string& key, const std::string& found, const std::string& right) {
    throw DataError(
        fmt::format("{}: {} has {}, but the folder has no text_encoder to attend to; add one, or take {}", origin, key, found, right));
  };
  const auto attends = [](const Value& type) { return type.is_string() && type.as_string().find("CrossAttn") != std::string::npos; };
  for (const auto& [key, right] : {std::pair{"down_block_types", "DownBlock2D"}, std::pair{"up_block_types", "UpBlock2D"}}) {
    for (const Value& type : config.at(key).as_list()) {
      if (attends(type)) refuse(key, type.as_string(), right);
    }
  }
  const Value& middle = config.at("mid_block_type");
  if (attends(middle)) refuse("mid_block_type", middle.as_string(), "UNetMidBlock2D, or null for none");
  for (const char* key : {"addition_embed_type", "class_embed_type"}) {
    if (!config.at(key).is_null()) refuse(key, to_json(config.at(key)), "null");
  }
}

// What models whose U-Net takes more than the noisy sample have in their other channels.
void refuse_other_channels(const Value& config, const std::string& origin) {
  const auto in = config.at("in_channels").as_integer(), out = config.at("out_channels").as_integer();
  if (in == out) return;
  const auto more = in - out;
  const char* const what = more == 5   ? "an inpainting model, whose U-Net takes a masked image and its mask"
                           : more == 4 ? "a model that edits images, whose U-Net takes the image"
                           : more == 3 ? "an upscaling model, whose U-Net takes the small image"
                           : more == 1 ? "a model of depth maps, whose U-Net takes the map"
                                       : "";
  if (*what != '\0') {
    throw DataError(fmt::format(
        "{}: in_channels is {}, out_channels {}: this is {} beside the noisy sample; take the text-to-image model of its family", origin,
        in, out, what));
  }
  throw DataError(fmt::format("{}: in_channels is {}, out_channels {}; a denoiser gives as many channels as it takes", origin, in, out));
}

void check_widths(const Value& unet, const Value& text_encoder, const std::string& origin) {
  const Value &attends = unet.at("cross_attention_dim"), &width = text_encoder.at("hidden_size");
  if (!attends.is_integer() || attends.as_integer() == width.as_integer()) return;
  throw DataError(fmt::format("{}: cross_attention_dim is {}, but the text encoder's hidden_size is {}", origin, attends.as_integer(),
                              width.as_integer()));
}

void check_latents(const Value& unet, const AutoencoderKL& vae, const std::string& origin) {
  const auto found = unet.at("in_channels").as_integer();
  if (found == vae.latent_channels()) return;
  throw DataError(fmt::format("{}: in_channels is {}, but the vae has {} latent_channels; take the vae that this U-Net was trained with",
                              origin, found, vae.latent_channels()));
}

}  // namespace

UNetNetwork::UNetNetwork(UNet unet, std::optional<ClipText> text_encoder, std::optional<AutoencoderKL> vae)
    : unet_(std::move(unet)), text_encoder_(std::move(text_encoder)), vae_(std::move(vae)) {}

Value UNetNetwork::architecture() const {
  Value value = Value::Map{{"unet", unet_.config()}};
  if (text_encoder_) value["text_encoder"] = text_encoder_->config();
  if (vae_) value["vae"] = vae_->config();
  return value;
}

TensorMap UNetNetwork::embed(const Weights& weights, const TensorMap& condition) const {
  if (!text_encoder_) return {};
  return {{"encoder_hidden_states", text_encoder_->forward(weights, kTextEncoder, condition.at("input_ids"))}};
}

State UNetNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const {
  const auto text = embedded.find("encoder_hidden_states");
  return {{"sample", unet_.forward(weights, kUNet, noisy.at("sample"), timestep, text == embedded.end() ? at::Tensor() : text->second)}};
}

Weights UNetNetwork::initialize(std::uint64_t seed) const {
  Weights weights = unet_.initialize(kUNet, seed);
  if (text_encoder_) weights.merge(text_encoder_->initialize(kTextEncoder, seed));
  if (vae_) weights.merge(vae_->initialize(kVae, seed));
  return weights;
}

void UNetNetwork::check(const Weights& weights, const std::string& origin) const {
  unet_.check(weights, kUNet, origin + "/unet");
  if (text_encoder_) text_encoder_->check(weights, kTextEncoder, origin + "/text_encoder");
  if (vae_) vae_->check(weights, kVae, origin + "/vae");
}

std::shared_ptr<const Network> make_unet_network(const ComponentConfigs& configs) {
  const auto& [config, origin] = configs.at("unet");
  UNet unet(config, origin);
  refuse_other_channels(unet.config(), origin);
  std::optional<AutoencoderKL> vae;
  if (const auto found = configs.find("vae"); found != configs.end()) {
    vae.emplace(found->second.config, found->second.origin);
    check_latents(unet.config(), *vae, origin);
  }
  const auto text = configs.find("text_encoder");
  if (text == configs.end()) {
    refuse_conditions(unet.config(), origin);
    return std::make_shared<UNetNetwork>(std::move(unet), std::nullopt, std::move(vae));
  }
  ClipText text_encoder(text->second.config, text->second.origin);
  check_widths(unet.config(), text_encoder.config(), origin);
  return std::make_shared<UNetNetwork>(std::move(unet), std::move(text_encoder), std::move(vae));
}

}  // namespace espalier::network
