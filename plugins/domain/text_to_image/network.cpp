#include "plugins/domain/text_to_image/network.h"

#include <utility>

namespace espalier::text_to_image {

TextToImageNetwork::TextToImageNetwork(network::UNet unet, network::ClipText text_encoder)
    : unet_(std::move(unet)), text_encoder_(std::move(text_encoder)) {}

Value TextToImageNetwork::architecture() const { return Value::Map{{"unet", unet_.config()}, {"text_encoder", text_encoder_.config()}}; }

TensorMap TextToImageNetwork::embed(const Weights& weights, const TensorMap& condition) const {
  return {{"encoder_hidden_states", text_encoder_.forward(weights, kTextEncoder, condition.at("input_ids"))}};
}

State TextToImageNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const {
  return {{"sample", unet_.forward(weights, kUNet, noisy.at("sample"), timestep, embedded.at("encoder_hidden_states"))}};
}

Weights TextToImageNetwork::initialize(std::uint64_t seed) const {
  Weights weights = unet_.initialize(kUNet, seed);
  weights.merge(text_encoder_.initialize(kTextEncoder, seed));
  return weights;
}

void TextToImageNetwork::check(const Weights& weights, const std::string& origin) const {
  unet_.check(weights, kUNet, origin + "/unet");
  text_encoder_.check(weights, kTextEncoder, origin + "/text_encoder");
}

}  // namespace espalier::text_to_image
