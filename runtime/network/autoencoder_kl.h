#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier::network {

// A diagonal Gaussian over latents, each [B, latent_channels, H / f, W / f] float32.
struct Posterior {
  at::Tensor mean;
  at::Tensor logvar;  // clamped to [-30, 20], as diffusers' DiagonalGaussianDistribution does
};

// diffusers' AutoencoderKL as a function of named weights (its state_dict's names, behind a prefix such as "vae."). Any config of
// DownEncoderBlock2D and UpDecoderBlock2D is built from; another block type, an unknown key or act_fn is a DataError naming it.
// Images are [B, C, H, W] in [-1, 1]; f = 2^(blocks - 1) divides H and W. It computes in the dtype of its weights and gives float32.
class AutoencoderKL {
 public:
  // With tiling, an image larger than the config's sample_size is encoded and decoded by_tiles() of that many pixels, as after diffusers'
  // enable_tiling(). DataError then for a sample_size that is no multiple of 4 f.
  AutoencoderKL(const Value& config, const std::string& origin, bool tiling = false);
  ~AutoencoderKL();
  AutoencoderKL(AutoencoderKL&&) noexcept;

  // image [B, in_channels, H, W]. Throws DataError naming a tensor that the weights lack.
  Posterior encode(const TensorMap& weights, const std::string& prefix, const at::Tensor& image) const;
  // z [B, latent_channels, h, w], as encode() gives it. Gives [B, out_channels, f h, f w], not clamped.
  at::Tensor decode(const TensorMap& weights, const std::string& prefix, const at::Tensor& z) const;

  // Between z and the latents of a diffusion model, as diffusers' pipelines: latents = (z - shift_factor) * scaling_factor or, with
  // latents_mean and latents_std (one number a channel), (z - latents_mean) * scaling_factor / latents_std.
  at::Tensor scaled(const at::Tensor& z) const;
  at::Tensor unscaled(const at::Tensor& latents) const;

  std::int64_t in_channels() const;
  std::int64_t out_channels() const;
  std::int64_t latent_channels() const;
  std::int64_t factor() const;  // f, the image's side over the latents'
  bool force_upcast() const;    // whether float16 weights overflow: StableDiffusionXLPipeline decodes in float32 then

  // Every weight's name (behind the prefix) with fresh values as PyTorch's layers initialise theirs, from a counter-based stream.
  TensorMap initialize(const std::string& prefix, std::uint64_t seed) const;

  // Throws DataError naming origin and the first tensor behind the prefix that is missing, misshapen or unknown. Call it on what was read.
  void check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const;

  // The same weights by today's names: older files call the attention's maps query, key, value and proj_attn.
  static TensorMap rename(const TensorMap& weights, const std::string& prefix);

  const Value& config() const;  // every key of diffusers' config.json, so that diffusers opens it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::network
