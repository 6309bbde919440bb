#pragma once

#include <memory>
#include <string>

#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier::network {

// diffusers' UNet2DConditionModel as a function of named weights (its state_dict's names, behind a prefix such as "unet.").
// Any config whose features are supported is built from, small or large; an unsupported or unknown feature is a DataError naming it.
// Supported: Down/Up/CrossAttnDown/CrossAttnUp blocks, UNetMidBlock2DCrossAttn or none/UNetMidBlock2D, layers_per_block and attention heads
// as int or list, transformer_layers_per_block, norm_num_groups, use_linear_projection, only_cross_attention = false, addition_embed_type
// null | "text" | "text_time", class_embed_type null | "projection", flip_sin_to_cos, freq_shift, upcast_attention (attention's scores and
// softmax are in float32 whatever it says), resnet_time_scale_shift "default", act_fn "silu".
class UNet {
 public:
  // What the prediction depends on besides the state and the timestep. What the config does not ask for is undefined.
  struct Conditions {
    at::Tensor encoder_hidden_states = {};  // [B, L, cross_attention_dim], of cross attention
    at::Tensor class_labels = {};           // [B, projection_class_embeddings_input_dim], of a class embedding
    at::Tensor text_embeds = {};            // [B, P], of addition_embed_type "text_time", as time_ids: a pooled text
    at::Tensor time_ids = {};               // [B, S]: numbers, each embedded in addition_time_embed_dim sinusoids
  };

  UNet(const Value& config, const std::string& origin);
  ~UNet();
  UNet(UNet&&) noexcept;

  // sample [B, in_channels, H, W]; timestep [B] float. Gives [B, out_channels, H, W] of the sample's dtype. Computed in the dtype of the
  // weights, the timestep's embedding in float32 at least; norms and softmax sum in float32. Throws DataError naming a tensor that the
  // weights lack.
  at::Tensor forward(const TensorMap& weights, const std::string& prefix, const at::Tensor& sample, const at::Tensor& timestep,
                     const Conditions& conditions) const;

  // Of one forward() for one sample of height x width and this many tokens, 2 a multiply-add: convolutions, matrix products, attentions.
  double flops(std::int64_t height, std::int64_t width, std::int64_t tokens) const;

  // Every weight's name (behind the prefix) with fresh values as PyTorch's layers initialise theirs, from a counter-based stream.
  TensorMap initialize(const std::string& prefix, std::uint64_t seed) const;

  // Throws DataError naming origin and the first tensor behind the prefix that is missing, misshapen or unknown. Call it on what was read.
  void check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const;

  const Value& config() const;  // every key of diffusers' config.json, so that diffusers opens it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::network
