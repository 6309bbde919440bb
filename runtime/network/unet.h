#pragma once

#include <memory>
#include <string>

#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier::network {

// diffusers' UNet2DConditionModel as a function of named weights (its state_dict's names, behind a prefix such as "unet.").
// It is built from any config with supported features, small or large; an unsupported or unknown feature is a DataError naming it.
// Supported: Down/Up/CrossAttnDown/CrossAttnUp blocks, UNetMidBlock2DCrossAttn or none/UNetMidBlock2D, layers_per_block and attention heads
// as int or list, transformer_layers_per_block, norm_num_groups, use_linear_projection, only_cross_attention = false, addition_embed_type
// null | "text" | "text_time", class_embed_type null | "projection", flip_sin_to_cos, freq_shift, upcast_attention (ignored: attention's
// scores and softmax are always in float32), resnet_time_scale_shift "default", act_fn "silu".
class UNet {
 public:
  // What the prediction depends on besides the state and the timestep. Tensors that the config does not use are undefined.
  struct Conditions {
    at::Tensor encoder_hidden_states = {};  // [B, L, cross_attention_dim], for cross attention
    at::Tensor class_labels = {};           // [B, projection_class_embeddings_input_dim], for a class embedding
    at::Tensor text_embeds = {};            // [B, P], for addition_embed_type "text_time": a pooled text
    at::Tensor time_ids = {};               // [B, S], likewise: numbers, each embedded in addition_time_embed_dim sinusoids
  };

  UNet(const Value& config, const std::string& origin);
  ~UNet();
  UNet(UNet&&) noexcept;

  // sample [B, in_channels, H, W]; timestep [B] float. Returns [B, out_channels, H, W] of the sample's dtype. Computed in the dtype of the
  // weights, the timestep's embedding in at least float32; norms and softmax sum in float32. Throws DataError naming a tensor that the
  // weights lack.
  at::Tensor forward(const TensorMap& weights, const std::string& prefix, const at::Tensor& sample, const at::Tensor& timestep,
                     const Conditions& conditions) const;

  // Returns the FLOPs of the convolutions, matrix products and attentions of one forward() for one sample of height x width and this many
  // tokens, 2 per multiply-add.
  double flops(std::int64_t height, std::int64_t width, std::int64_t tokens) const;

  // Returns all weights (names with the prefix), initialised as PyTorch's layers are, from a counter-based stream.
  TensorMap initialize(const std::string& prefix, std::uint64_t seed) const;

  // Throws DataError naming origin and the first tensor with the prefix that is missing, misshapen or unknown. Call it on weights that were
  // read.
  void check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const;

  const Value& config() const;  // every key of diffusers' config.json, so that diffusers opens it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::network
