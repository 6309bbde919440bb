#pragma once

#include <string>

#include "plugins/shared/pictures/model_folder.h"
#include "runtime/model/clip_text.h"
#include "runtime/model/unet.h"
#include "runtime/sdk/model.h"

namespace espalier::text_to_image {

using pictures::kUNet;
inline constexpr const char* kTextEncoder = "text_encoder.";  // prefix of transformers' names

// A U-Net that attends to a text encoder's last hidden state. Condition "input_ids" [B, L] int64; state "sample" [B, C, H, W].
class TextToImageNetwork final : public Network {
 public:
  TextToImageNetwork(model::UNet unet, model::ClipText text_encoder);

  Value architecture() const override;  // {"unet": config, "text_encoder": config}, with every default filled in
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;  // "encoder_hidden_states" [B, L, D]
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;

  // Throws DataError naming origin and the first weight that is missing, misshapen or unknown.
  void check(const Weights& weights, const std::string& origin) const;

 private:
  model::UNet unet_;
  model::ClipText text_encoder_;
};

}  // namespace espalier::text_to_image
