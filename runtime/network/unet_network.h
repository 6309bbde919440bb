#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/network/autoencoder_kl.h"
#include "runtime/network/clip_text.h"
#include "runtime/network/registry.h"
#include "runtime/network/unet.h"

namespace espalier::network {

// A U-Net as a denoiser of the state "sample" [B, C, H, W], alone or with the CLIP text encoders that it attends to. Prompts are embedded
// as in diffusers' pipelines:
//   one encoder (StableDiffusionPipeline): hidden_states[-(clip_skip + 1)], then the final layer norm
//   two (StableDiffusionXLPipeline; addition_embed_type "text_time"): hidden_states[-(clip_skip + 2)] of both, without the norm, joined;
//   the second's text_embeds; the size ids
// An autoencoder is carried along for the domain's codec, which decodes the state by it: latents.
// A condition is "input_ids" [B, L], of a second encoder "input_ids_2" too, int64, and "text_role" (text_role.h; without it all are
// prompts). As there, a null condition takes no part in clip_skip; with force_zeros_for_empty_prompt one without a negative prompt becomes
// zeros.
class UNetNetwork final : public Network {
 public:
  struct TextEncoder {
    std::string component;  // "text_encoder" or "text_encoder_2"
    ClipText clip;
    std::string prefix() const { return component + "."; }  // of transformers' names
    std::string ids() const { return component == "text_encoder" ? "input_ids" : "input_ids_2"; }
  };

  // `time_ids`: of a "text_time" U-Net original height and width, crop's top and left, target height and width; else none.
  UNetNetwork(UNet unet, std::vector<TextEncoder> text_encoders, std::optional<AutoencoderKL> vae, const NetworkSettings& settings,
              std::vector<float> time_ids);

  Value architecture() const override;  // {"unet": config, and where there are "text_encoder", "text_encoder_2", "vae"}
  // "encoder_hidden_states" [B, L, D], of a "text_time" U-Net also "text_embeds" [B, P] and "time_ids" [B, 6].
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  double flops(const StateSpec& spec) const override;
  // A VAE of SDXL's with force_upcast stays in float32 in a model of float16, as in StableDiffusionXLPipeline.
  at::ScalarType weight_dtype(const std::string& weight, at::ScalarType dtype) const override;
  Weights initialize(std::uint64_t seed) const override;
  void check(const Weights& weights, const std::string& origin) const override;

 private:
  bool has_added_text() const { return !time_ids_.empty(); }
  at::Tensor hidden_state(const Weights& weights, const TextEncoder& encoder, const ClipText::Output& output, std::int64_t clip_skip) const;
  at::Tensor encoded(const Weights& weights, const TextEncoder& encoder, const ClipText::Output& output, const at::Tensor& roles) const;

  UNet unet_;
  std::vector<TextEncoder> text_encoders_;
  std::optional<AutoencoderKL> vae_;
  std::int64_t clip_skip_;
  bool force_zeros_;
  std::vector<float> time_ids_;
};

// Throws DataError where the U-Net, its text encoders, the autoencoder and the settings do not fit together, or the U-Net needs a text
// encoder that is not there.
std::shared_ptr<const Network> make_unet_network(const ComponentConfigs& configs, const NetworkSettings& settings);

}  // namespace espalier::network
