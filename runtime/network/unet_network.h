#pragma once

#include <optional>

#include "runtime/network/clip_text.h"
#include "runtime/network/registry.h"
#include "runtime/network/unet.h"

namespace espalier::network {

// A U-Net as a denoiser of the state "sample" [B, C, H, W]. With a text encoder it attends to that encoder's last hidden state, and
// conditions are "input_ids" [B, L] int64; without one it takes no condition.
class UNetNetwork final : public Network {
 public:
  UNetNetwork(UNet unet, std::optional<ClipText> text_encoder);

  Value architecture() const override;  // {"unet": config, "text_encoder": config where there is one}
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;  // "encoder_hidden_states" [B, L, D]
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;
  void check(const Weights& weights, const std::string& origin) const override;

 private:
  UNet unet_;
  std::optional<ClipText> text_encoder_;
};

// Throws DataError where the U-Net and the text encoder do not fit together, or the U-Net needs one that is not there.
std::shared_ptr<const Network> make_unet_network(const ComponentConfigs& configs);

}  // namespace espalier::network
