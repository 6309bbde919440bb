#include "runtime/network/autoencoder_kl.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <fmt/format.h>

#include <array>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/network/autoencoder_kl_structure.h"
#include "runtime/network/in_place.h"
#include "runtime/network/tiles.h"

namespace espalier::network {
namespace {

constexpr double kNormEps = 1e-6;  // of every group norm

// One evaluation of the encoder or the decoder: the structure walked over one set of weights.
class Evaluation {
 public:
  Evaluation(const AutoencoderKLStructure& vae, Scope weights) : vae_(vae), weights_(std::move(weights)) {}

  at::Tensor encode(const at::Tensor& image) const {
    const auto encoder = weights_.at("encoder");
    auto x = conv2d(encoder.at("conv_in"), image.to(dtype(encoder)), 1, 1);
    for (std::size_t i = 0; i < vae_.channels.size(); ++i) {
      const auto block = encoder.at("down_blocks", i);
      x = resnets(block, std::move(x), vae_.layers_per_block);
      if (i + 1 == vae_.channels.size()) break;
      x = conv2d(block.at("downsamplers.0.conv"), at::constant_pad_nd(x, {0, 1, 0, 1}), 2, 0);
    }
    x = output(encoder, middle(encoder.at("mid_block"), std::move(x)));
    return vae_.quant_conv ? channel_map(weights_.at("quant_conv"), x) : x;
  }

  at::Tensor decode(const at::Tensor& z) const {
    const auto decoder = weights_.at("decoder");
    auto x = z.to(dtype(decoder));
    if (vae_.post_quant_conv) x = channel_map(weights_.at("post_quant_conv"), x);
    x = middle(decoder.at("mid_block"), conv2d(decoder.at("conv_in"), x, 1, 1));
    for (std::size_t i = 0; i < vae_.channels.size(); ++i) {
      const auto block = decoder.at("up_blocks", i);
      x = resnets(block, std::move(x), vae_.layers_per_block + 1);
      if (i + 1 == vae_.channels.size()) break;
      x = conv2d(block.at("upsamplers.0.conv"), at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}), 1, 1);
    }
    return output(decoder, x);
  }

 private:
  static at::ScalarType dtype(const Scope& half) { return half.at("conv_in")["weight"].scalar_type(); }

  at::Tensor norm(const Scope& scope, const at::Tensor& x) const { return group_norm(scope, x, vae_.norm_num_groups, kNormEps); }

  at::Tensor resnet(const Scope& scope, const at::Tensor& x) const {
    auto h = conv2d(scope.at("conv1"), silu_(norm(scope.at("norm1"), x)), 1, 1);
    h = conv2d(scope.at("conv2"), silu_(norm(scope.at("norm2"), h)), 1, 1);
    h += x.size(1) == h.size(1) ? x : channel_map(scope.at("conv_shortcut"), x);
    return h;
  }

  at::Tensor resnets(const Scope& block, at::Tensor x, std::int64_t count) const {
    for (std::int64_t i = 0; i < count; ++i) x = resnet(block.at("resnets", static_cast<std::size_t>(i)), x);
    return x;
  }

  // Every pixel attends to every other, by one head.
  at::Tensor attend(const Scope& scope, const at::Tensor& x) const {
    const auto pixels = norm(scope.at("group_norm"), x).flatten(2).transpose(1, 2);  // [B, H W, C]
    const auto mixed =
        attention(linear(scope.at("to_q"), pixels), linear(scope.at("to_k"), pixels), linear(scope.at("to_v"), pixels), /*heads=*/1);
    return x + linear(scope.at("to_out.0"), mixed).transpose(1, 2).reshape(x.sizes());
  }

  at::Tensor middle(const Scope& block, at::Tensor x) const {
    x = resnet(block.at("resnets", 0), x);
    if (vae_.mid_block_attention) x = attend(block.at("attentions", 0), x);
    return resnet(block.at("resnets", 1), x);
  }

  at::Tensor output(const Scope& half, const at::Tensor& x) const {
    return conv2d(half.at("conv_out"), silu_(norm(half.at("conv_norm_out"), x)), 1, 1);
  }

  const AutoencoderKLStructure& vae_;
  Scope weights_;
};

// [1, C, 1, 1]
at::Tensor of_channels(const std::vector<double>& numbers, const at::Tensor& like) {
  return at::tensor(numbers, like.options()).view({1, -1, 1, 1});
}

}  // namespace

struct AutoencoderKL::Impl {
  Value config;
  AutoencoderKLStructure structure;
  WeightSpecs weights;
  std::int64_t tile = 0;  // its side in pixels; 0: no tiling
};

AutoencoderKL::AutoencoderKL(const Value& config, const std::string& origin, bool tiling) : impl_(std::make_unique<Impl>()) {
  impl_->config = complete_autoencoder_kl_config(config, origin);
  impl_->structure = read_autoencoder_kl_structure(impl_->config, origin);
  impl_->weights = autoencoder_kl_weights(impl_->structure, origin);
  if (tiling) impl_->tile = read_tile(impl_->config, origin, factor());
}
AutoencoderKL::~AutoencoderKL() = default;
AutoencoderKL::AutoencoderKL(AutoencoderKL&&) noexcept = default;

Posterior AutoencoderKL::encode(const TensorMap& weights, const std::string& prefix, const at::Tensor& image) const {
  if (image.size(2) % factor() != 0 || image.size(3) % factor() != 0) {
    throw DataError(fmt::format("an image of {} x {} pixels cannot be encoded: its sides must be multiples of {}", image.size(3),
                                image.size(2), factor()));
  }
  const Evaluation evaluation(impl_->structure, {weights, prefix});
  const auto encode = [&](const at::Tensor& part) { return evaluation.encode(part); };
  const auto whole = impl_->tile == 0 ? encode(image) : by_tiles(image, {impl_->tile, impl_->tile / factor()}, encode);
  const auto moments = whole.to(at::kFloat).chunk(2, 1);
  return {moments[0], moments[1].clamp(-30.0, 20.0)};
}

at::Tensor AutoencoderKL::decode(const TensorMap& weights, const std::string& prefix, const at::Tensor& z) const {
  const Evaluation evaluation(impl_->structure, {weights, prefix});
  const auto decode = [&](const at::Tensor& part) { return evaluation.decode(part); };
  return (impl_->tile == 0 ? decode(z) : by_tiles(z, {impl_->tile / factor(), impl_->tile}, decode)).to(at::kFloat);
}

at::Tensor AutoencoderKL::scaled(const at::Tensor& z) const {
  const auto& vae = impl_->structure;
  if (vae.latents_mean.empty()) return (z - vae.shift_factor) * vae.scaling_factor;
  return (z - of_channels(vae.latents_mean, z)) * vae.scaling_factor / of_channels(vae.latents_std, z);
}

at::Tensor AutoencoderKL::unscaled(const at::Tensor& latents) const {
  const auto& vae = impl_->structure;
  if (vae.latents_mean.empty()) return latents / vae.scaling_factor + vae.shift_factor;
  return latents * of_channels(vae.latents_std, latents) / vae.scaling_factor + of_channels(vae.latents_mean, latents);
}

std::int64_t AutoencoderKL::in_channels() const { return impl_->structure.in_channels; }
std::int64_t AutoencoderKL::out_channels() const { return impl_->structure.out_channels; }
std::int64_t AutoencoderKL::latent_channels() const { return impl_->structure.latent_channels; }
std::int64_t AutoencoderKL::factor() const { return std::int64_t{1} << (impl_->structure.channels.size() - 1); }
bool AutoencoderKL::force_upcast() const { return impl_->structure.force_upcast; }

TensorMap AutoencoderKL::initialize(const std::string& prefix, std::uint64_t seed) const { return impl_->weights.initialize(prefix, seed); }

void AutoencoderKL::check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const {
  impl_->weights.check(weights, prefix, origin);
}

TensorMap AutoencoderKL::rename(const TensorMap& weights, const std::string& prefix) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames{
      {{"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."}, {"proj_attn.", "to_out.0."}}};
  constexpr std::string_view kAttention = ".mid_block.attentions.0.";
  const auto today = [&](const std::string& name) {
    const auto found = name.starts_with(prefix) ? name.find(kAttention) : std::string::npos;
    if (found == std::string::npos) return name;
    const auto start = found + kAttention.size();
    for (const auto& [old, renamed] : kNames) {
      if (name.compare(start, old.size(), old) == 0) return name.substr(0, start).append(renamed) + name.substr(start + old.size());
    }
    return name;
  };
  TensorMap renamed;
  for (const auto& [name, tensor] : weights) {
    const auto other = today(name);
    renamed.emplace(weights.contains(other) ? name : other, tensor);  // both in one file: check() refuses the old one
  }
  return renamed;
}

const Value& AutoencoderKL::config() const { return impl_->config; }

}  // namespace espalier::network
