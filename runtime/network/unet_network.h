#pragma once

#include <optional>

#include "runtime/network/autoencoder_kl.h"
#include "runtime/network/clip_text.h"
#include "runtime/network/registry.h"
#include "runtime/network/unet.h"

namespace espalier::network {

// A U-Net as a denoiser of the state "sample" [B, C, H, W]. With a text encoder it attends to that encoder's last hidden state, and
// conditions are "input_ids" [B, L] int64; without one it takes no condition. An autoencoder is carried along for the domain's codec, which
// decodes the state by it: latents.
class UNetNetwork final : public Network {
 public:
  UNetNetwork(UNet unet, std::optional<ClipText> text_encoder, std::optional<AutoencoderKL> vae);

  Value architecture() const override;  // {"unet": config, and where there is one "text_encoder": config, "vae": config}
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;  // "encoder_hidden_states" [B, L, D]
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;
  void check(const Weights& weights, const std::string& origin) const override;

 private:
  UNet unet_;
  std::optional<ClipText> text_encoder_;
  std::optional<AutoencoderKL> vae_;
};

// Throws DataError where the U-Net, the text encoder and the autoencoder do not fit together, or the U-Net needs a text encoder that is not
// there.
std::shared_ptr<const Network> make_unet_network(const ComponentConfigs& configs);

}  // namespace espalier::network
