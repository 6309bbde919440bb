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
// null | "text", class_embed_type null | "projection", flip_sin_to_cos, freq_shift, resnet_time_scale_shift "default", act_fn "silu".
class UNet {
 public:
  UNet(const Value& config, const std::string& origin);
  ~UNet();
  UNet(UNet&&) noexcept;

  // sample [B, in_channels, H, W]; timestep [B] float; encoder_hidden_states [B, L, cross_attention_dim], undefined where the config has
  // no cross attention; class_labels [B, projection_class_embeddings_input_dim], undefined without a class embedding.
  // Gives [B, out_channels, H, W] of the sample's dtype. Computed in the dtype of the weights, the timestep's embedding in float32 at
  // least; norms and softmax sum in float32. Throws DataError naming a tensor that the weights lack.
  at::Tensor forward(const TensorMap& weights, const std::string& prefix, const at::Tensor& sample, const at::Tensor& timestep,
                     const at::Tensor& encoder_hidden_states, const at::Tensor& class_labels = {}) const;

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
