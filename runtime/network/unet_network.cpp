#include "runtime/network/unet_network.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"
#include "runtime/network/text_role.h"
#include "runtime/network/unet_components.h"

namespace espalier::network {
namespace {

constexpr const char* kUNet = "unet.";  // prefix of diffusers' names
constexpr const char* kVae = "vae.";

at::Tensor rows_with(const at::Tensor& roles, TextRole role) { return roles == static_cast<std::int64_t>(role); }

at::Tensor roles_of(const TensorMap& condition) {
  const auto roles = condition.find("text_role");
  return roles == condition.end() ? at::Tensor() : roles->second;
}

// Throws DataError for a U-Net that takes more channels than the noisy sample's, saying what they usually are.
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

// Returns a mask of rows, [B], in a shape that broadcasts over x [B, ...].
at::Tensor over(const at::Tensor& x, const at::Tensor& rows) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = rows.size(0);
  return rows.view(shape);
}

void check_latents(const Value& unet, const AutoencoderKL& vae, const std::string& origin) {
  const auto found = unet.at("in_channels").as_integer();
  if (found == vae.latent_channels()) return;
  throw DataError(fmt::format("{}: in_channels is {}, but the vae has {} latent_channels; take the vae that this U-Net was trained with",
                              origin, found, vae.latent_channels()));
}

}  // namespace

UNetNetwork::UNetNetwork(UNet unet, std::vector<TextEncoder> text_encoders, std::optional<AutoencoderKL> vae,
                         const NetworkSettings& settings, std::vector<float> time_ids)
    : unet_(std::move(unet)),
      text_encoders_(std::move(text_encoders)),
      vae_(std::move(vae)),
      clip_skip_(settings.clip_skip),
      force_zeros_(settings.force_zeros_for_empty_prompt),
      time_ids_(std::move(time_ids)) {}

Value UNetNetwork::architecture() const {
  Value value = Value::Map{{"unet", unet_.config()}};
  for (const auto& encoder : text_encoders_) value[encoder.component] = encoder.clip.config();
  if (vae_) value["vae"] = vae_->config();
  return value;
}

at::Tensor UNetNetwork::hidden_state(const Weights& weights, const TextEncoder& encoder, const ClipText::Output& output,
                                     std::int64_t clip_skip) const {
  const auto& states = output.hidden_states;
  const auto& state = states.at(states.size() - static_cast<std::size_t>(clip_skip + (has_added_text() ? 2 : 1)));
  return has_added_text() ? state : encoder.clip.final_layer_norm(weights, encoder.prefix(), state);
}

at::Tensor UNetNetwork::encoded(const Weights& weights, const TextEncoder& encoder, const ClipText::Output& output,
                                const at::Tensor& roles) const {
  auto prompts = hidden_state(weights, encoder, output, clip_skip_);
  if (clip_skip_ == 0 || !roles.defined()) return prompts;
  return at::where(over(prompts, rows_with(roles, TextRole::prompt)), prompts, hidden_state(weights, encoder, output, 0));
}

TensorMap UNetNetwork::embed(const Weights& weights, const TensorMap& condition) const {
  if (text_encoders_.empty()) return {};
  const auto roles = roles_of(condition);
  TensorMap embedded;
  std::vector<at::Tensor> states;
  for (const auto& encoder : text_encoders_) {
    const auto output = encoder.clip.forward(weights, encoder.prefix(), condition.at(encoder.ids()));
    states.push_back(encoded(weights, encoder, output, roles));
    if (has_added_text()) embedded["text_embeds"] = output.text_embeds;  // the last encoder's
  }
  embedded["encoder_hidden_states"] = states.size() == 1 ? states.front() : at::cat(states, -1);
  if (force_zeros_ && roles.defined()) {
    const auto zero = rows_with(roles, TextRole::no_negative_prompt);
    for (auto& [name, tensor] : embedded) tensor = tensor.masked_fill(over(tensor, zero), 0.0);
  }
  if (has_added_text()) {
    const auto& states_of_all = embedded.at("encoder_hidden_states");
    embedded["time_ids"] = at::tensor(time_ids_, at::kFloat).to(states_of_all.device()).expand({states_of_all.size(0), -1});
  }
  return embedded;
}

State UNetNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const {
  const auto tensor = [&embedded](const char* name) {
    const auto found = embedded.find(name);
    return found == embedded.end() ? at::Tensor() : found->second;
  };
  const UNet::Conditions conditions{
      .encoder_hidden_states = tensor("encoder_hidden_states"), .text_embeds = tensor("text_embeds"), .time_ids = tensor("time_ids")};
  return {{"sample", unet_.forward(weights, kUNet, noisy.at("sample"), timestep, conditions)}};
}

double UNetNetwork::flops(const StateSpec& spec) const {
  const auto sample = spec.find("sample");
  if (sample == spec.end() || sample->second.shape.size() != 3) return 0.0;  // states of another domain, which its codec refuses
  const auto& shape = sample->second.shape;
  const auto tokens = text_encoders_.empty() ? 0 : text_encoders_.front().clip.config().at("max_position_embeddings").as_integer();
  return unet_.flops(shape[1], shape[2], tokens);
}

at::ScalarType UNetNetwork::weight_dtype(const std::string& weight, at::ScalarType dtype) const {
  const bool upcast = dtype == at::kHalf && has_added_text() && vae_ && vae_->force_upcast() && weight.starts_with(kVae);
  return upcast ? at::kFloat : dtype;
}

Weights UNetNetwork::initialize(std::uint64_t seed) const {
  Weights weights = unet_.initialize(kUNet, seed);
  for (const auto& encoder : text_encoders_) weights.merge(encoder.clip.initialize(encoder.prefix(), seed));
  if (vae_) weights.merge(vae_->initialize(kVae, seed));
  return weights;
}

void UNetNetwork::check(const Weights& weights, const std::string& origin) const {
  unet_.check(weights, kUNet, origin + "/unet");
  for (const auto& encoder : text_encoders_) encoder.clip.check(weights, encoder.prefix(), origin + "/" + encoder.component);
  if (vae_) vae_->check(weights, kVae, origin + "/vae");
}

std::shared_ptr<const Network> make_unet_network(const ComponentConfigs& configs, const NetworkSettings& settings) {
  const auto& [config, origin] = configs.at("unet");
  UNet unet(config, origin);
  refuse_other_channels(unet.config(), origin);
  std::optional<AutoencoderKL> vae;
  if (const auto found = configs.find("vae"); found != configs.end()) {
    vae.emplace(found->second.config, found->second.origin, settings.vae_tiling);
    check_latents(unet.config(), *vae, origin);
  } else if (settings.sample_mode == "sample") {
    throw DataError(origin + ": the model has no vae, whose latents sample_mode = \"sample\" would draw; leave it out");
  } else if (settings.vae_tiling) {
    throw DataError(origin + ": the model has no vae, which vae_tiling would compute in tiles; leave it out");
  }
  std::vector<UNetNetwork::TextEncoder> encoders;
  for (const char* component : {"text_encoder", "text_encoder_2"}) {
    const auto found = configs.find(component);
    if (found != configs.end()) encoders.push_back({component, ClipText(found->second.config, found->second.origin)});
  }
  check_components(unet.config(), origin, encoders, settings);
  auto time_ids = size_ids(unet.config(), origin, vae, settings);
  return std::make_shared<UNetNetwork>(std::move(unet), std::move(encoders), std::move(vae), settings, std::move(time_ids));
}

}  // namespace espalier::network
