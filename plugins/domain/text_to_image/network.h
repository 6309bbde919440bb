#pragma once

#include <string>

#include "plugins/shared/images/model_folder.h"
#include "runtime/modelfile/model.h"
#include "runtime/network/clip_text.h"
#include "runtime/network/unet.h"

namespace espalier::text_to_image {

using images::kUNet;
inline constexpr const char* kTextEncoder = "text_encoder.";  // prefix of transformers' names

// A U-Net that attends to a text encoder's last hidden state. Condition "input_ids" [B, L] int64; state "sample" [B, C, H, W].
class TextToImageNetwork final : public Network {
 public:
  TextToImageNetwork(network::UNet unet, network::ClipText text_encoder);

  Value architecture() const override;  // {"unet": config, "text_encoder": config}, with every default filled in
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;  // "encoder_hidden_states" [B, L, D]
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;

  // Throws DataError naming origin and the first weight that is missing, misshapen or unknown.
  void check(const Weights& weights, const std::string& origin) const;

 private:
  network::UNet unet_;
  network::ClipText text_encoder_;
};

}  // namespace espalier::text_to_image
