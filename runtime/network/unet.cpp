#include "runtime/network/unet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "runtime/base/errors.h"
#include "runtime/network/checkpointing.h"
#include "runtime/network/in_place.h"
#include "runtime/network/unet_structure.h"

namespace espalier::network {
namespace {

constexpr double kTransformerGroupNormEps = 1e-6;
constexpr double kLayerNormEps = 1e-5;

// The parts of a U-Net that are evaluated again where gradients are checkpointed.

at::Tensor resnet_of(const UNetStructure& unet, const Scope& scope, const ResnetStructure& resnet, const at::Tensor& x,
                     const at::Tensor& activated_embedding, double scale) {
  auto h = silu_(group_norm(scope.at("norm1"), x, unet.norm_num_groups, unet.norm_eps));
  h = conv2d(scope.at("conv1"), h, 1, 1);
  h += linear(scope.at("time_emb_proj"), activated_embedding).unsqueeze(-1).unsqueeze(-1);
  h = silu_(group_norm(scope.at("norm2"), h, unet.norm_num_groups, unet.norm_eps));
  h = conv2d(scope.at("conv2"), h, 1, 1);
  h += resnet.in_channels == resnet.out_channels ? x : channel_map(scope.at("conv_shortcut"), x);
  return scale == 1.0 ? h : h / scale;
}

at::Tensor attend(const Scope& scope, const at::Tensor& x, const at::Tensor& context, std::int64_t heads) {
  const auto mixed =
      attention(projection(scope.at("to_q"), x), projection(scope.at("to_k"), context), projection(scope.at("to_v"), context), heads);
  return linear(scope.at("to_out.0"), mixed);
}

at::Tensor transformer_block(const Scope& scope, const BlockStructure& block, at::Tensor x, const at::Tensor& text) {
  const auto self = layer_norm(scope.at("norm1"), x, kLayerNormEps);  // [B, N, C]
  x = attend(scope.at("attn1"), self, self, block.heads) += x;
  x = attend(scope.at("attn2"), layer_norm(scope.at("norm2"), x, kLayerNormEps), text, block.heads) += x;
  const auto inner = linear(scope.at("ff.net.0.proj"), layer_norm(scope.at("norm3"), x, kLayerNormEps)).chunk(2, -1);
  return linear(scope.at("ff.net.2"), inner[0] * at::gelu(inner[1])) += x;
}

at::Tensor transformer_of(const UNetStructure& unet, const Scope& scope, const BlockStructure& block, const at::Tensor& x,
                          const at::Tensor& text) {
  const auto to_tokens = [](const at::Tensor& map) { return map.flatten(2).transpose(1, 2); };  // [B, C, H, W] -> [B, N, C]
  const auto to_map = [&x](const at::Tensor& tokens) { return tokens.transpose(1, 2).reshape(x.sizes()); };
  auto h = group_norm(scope.at("norm"), x, unet.norm_num_groups, kTransformerGroupNormEps);
  h = linear(scope.at("proj_in"), to_tokens(h));
  for (std::int64_t i = 0; i < block.transformer_layers; ++i) {
    h = transformer_block(scope.at("transformer_blocks", static_cast<std::size_t>(i)), block, h, text);
  }
  return x + to_map(linear(scope.at("proj_out"), h));
}

// One evaluation: the structure walked over one set of weights.
class Evaluation {
 public:
  Evaluation(const UNetStructure& unet, Scope weights, const UNet::Conditions& conditions)
      : unet_(unet), weights_(std::move(weights)), conditions_(conditions), text_(conditions.encoder_hidden_states) {}

  at::Tensor run(at::Tensor x, const at::Tensor& timestep) {
    embed(timestep.to(x.options().dtype(at::kFloat)).expand({x.size(0)}), x.scalar_type());
    if (unet_.center_input_sample) x = 2.0 * x - 1.0;
    x = conv2d(weights_.at("conv_in"), x, 1, (unet_.conv_in_kernel - 1) / 2);
    std::vector<at::Tensor> skips{x};
    for (std::size_t i = 0; i < unet_.down.size(); ++i) x = down(weights_.at("down_blocks", i), unet_.down[i], std::move(x), skips);
    if (unet_.middle) x = middle(weights_.at("mid_block"), *unet_.middle, std::move(x));
    for (std::size_t i = 0; i < unet_.up.size(); ++i) x = up(weights_.at("up_blocks", i), unet_.up[i], std::move(x), skips);
    x = silu_(group_norm(weights_.at("conv_norm_out"), x, unet_.norm_num_groups, unet_.norm_eps));
    return conv2d(weights_.at("conv_out"), x, 1, (unet_.conv_out_kernel - 1) / 2);
  }

 private:
  // In the input's dtype, whatever the weights'.
  static at::Tensor two_layers(const Scope& scope, const at::Tensor& x) {
    return linear(scope.at("linear_2"), silu_(linear(scope.at("linear_1"), x)));
  }

  at::Tensor sinusoids(const at::Tensor& numbers, std::int64_t channels) const {
    return timestep_sinusoids(numbers, channels, unet_.flip_sin_to_cos, unet_.freq_shift);
  }

  // In float32 where the rest is in less: neighbouring timesteps differ by less than bfloat16 has.
  void embed(const at::Tensor& timestep, at::ScalarType dtype) {
    const auto wide = at::isReducedFloatingType(dtype) ? at::kFloat : dtype;
    auto embedding = two_layers(weights_.at("time_embedding"), sinusoids(timestep, unet_.base_channels).to(wide));
    if (unet_.class_embed_dim > 0) embedding = embedding + two_layers(weights_.at("class_embedding"), conditions_.class_labels.to(wide));
    if (unet_.text_embed_dim > 0) embedding = embedding + pooled_text(weights_.at("add_embedding"));
    if (unet_.added_dim > 0) embedding = embedding + two_layers(weights_.at("add_embedding"), text_and_sizes().to(wide));
    activated_embedding_ = silu_(std::move(embedding)).to(dtype);  // every residual network starts from it
  }

  // The input of a "text_time" addition embedding, [B, projection_class_embeddings_input_dim].
  at::Tensor text_and_sizes() const {
    const auto& ids = conditions_.time_ids;  // [B, S]
    return at::cat({conditions_.text_embeds, sinusoids(ids.flatten(), unet_.added_id_dim).view({ids.size(0), -1})}, 1);
  }

  // diffusers' TextTimeEmbedding: the mean attends to all tokens. [B, time_embed_dim]
  at::Tensor pooled_text(const Scope& scope) {
    const auto tokens = layer_norm(scope.at("norm1"), text_, kLayerNormEps);  // [B, L, D]
    const auto pool = scope.at("pool");
    const auto mean = tokens.mean(1, /*keepdim=*/true) + pool["positional_embedding"];  // [B, 1, D]
    const auto all = at::cat({mean, tokens}, 1);
    const auto pooled =
        attention(linear(pool.at("q_proj"), mean), linear(pool.at("k_proj"), all), linear(pool.at("v_proj"), all), unet_.text_embed_heads);
    return layer_norm(scope.at("norm2"), linear(scope.at("proj"), pooled.squeeze(1)), kLayerNormEps);
  }

  at::Tensor resnet(const Scope& scope, const ResnetStructure& resnet, const at::Tensor& x, double scale = 1.0) {
    return checkpointed(scope, {x, activated_embedding_}, [&unet = unet_, &resnet, scale](const Scope& weights, const auto& inputs) {
      return resnet_of(unet, weights, resnet, inputs[0], inputs[1], scale);
    });
  }

  at::Tensor transformer(const Scope& scope, const BlockStructure& block, const at::Tensor& x) {
    return checkpointed(scope, {x, text_}, [&unet = unet_, &block](const Scope& weights, const auto& inputs) {
      return transformer_of(unet, weights, block, inputs[0], inputs[1]);
    });
  }

  at::Tensor down(const Scope& scope, const BlockStructure& block, at::Tensor x, std::vector<at::Tensor>& skips) {
    for (std::size_t i = 0; i < block.resnets.size(); ++i) {
      x = resnet(scope.at("resnets", i), block.resnets[i], x);
      if (block.attention) x = transformer(scope.at("attentions", i), block, x);
      skips.push_back(x);
    }
    if (block.resample) {
      if (unet_.downsample_padding == 0) x = at::constant_pad_nd(x, {0, 1, 0, 1});
      x = conv2d(scope.at("downsamplers.0.conv"), x, 2, unet_.downsample_padding);
      skips.push_back(x);
    }
    return x;
  }

  at::Tensor middle(const Scope& scope, const BlockStructure& block, at::Tensor x) {
    x = resnet(scope.at("resnets", 0), block.resnets[0], x, unet_.mid_block_scale_factor);
    for (std::size_t i = 1; i < block.resnets.size(); ++i) {
      x = transformer(scope.at("attentions", i - 1), block, x);
      x = resnet(scope.at("resnets", i), block.resnets[i], x, unet_.mid_block_scale_factor);
    }
    return x;
  }

  at::Tensor up(const Scope& scope, const BlockStructure& block, at::Tensor x, std::vector<at::Tensor>& skips) {
    for (std::size_t i = 0; i < block.resnets.size(); ++i) {
      x = at::cat({x, skips.back()}, 1);
      skips.pop_back();
      x = resnet(scope.at("resnets", i), block.resnets[i], x);
      if (block.attention) x = transformer(scope.at("attentions", i), block, x);
    }
    if (block.resample) {
      // To the next skip's size, which is twice this one's unless an odd size was halved on the way down.
      x = at::upsample_nearest2d(x, skips.back().sizes().slice(2));
      x = conv2d(scope.at("upsamplers.0.conv"), x, 1, 1);
    }
    return x;
  }

  const UNetStructure& unet_;
  Scope weights_;
  const UNet::Conditions& conditions_;
  const at::Tensor& text_;
  at::Tensor activated_embedding_;
};

}  // namespace

struct UNet::Impl {
  Value config;
  UNetStructure structure;
  WeightSpecs weights;
};

UNet::UNet(const Value& config, const std::string& origin) : impl_(std::make_unique<Impl>()) {
  impl_->config = complete_unet_config(config, origin);
  impl_->structure = read_unet_structure(impl_->config, origin);
  impl_->weights = unet_weights(impl_->structure, origin);
}
UNet::~UNet() = default;
UNet::UNet(UNet&&) noexcept = default;

at::Tensor UNet::forward(const TensorMap& weights, const std::string& prefix, const at::Tensor& sample, const at::Tensor& timestep,
                         const Conditions& conditions) const {
  const auto& unet = impl_->structure;
  if (unet.needs_text() && !conditions.encoder_hidden_states.defined())
    throw InternalError("this U-Net attends to a text, but encoder_hidden_states is undefined");
  if (unet.class_embed_dim > 0 && !conditions.class_labels.defined())
    throw InternalError("this U-Net embeds a class, but class_labels is undefined");
  if (unet.added_dim > 0 && !(conditions.text_embeds.defined() && conditions.time_ids.defined()))
    throw InternalError("this U-Net embeds a pooled text and sizes, but text_embeds or time_ids is undefined");
  const Scope scope(weights, prefix);
  const auto dtype = scope.at("conv_in").layer().weight->scalar_type();
  auto given = conditions;
  if (given.encoder_hidden_states.defined()) given.encoder_hidden_states = given.encoder_hidden_states.to(dtype);
  return Evaluation(unet, scope, given).run(sample.to(dtype), timestep).to(sample.scalar_type());
}

TensorMap UNet::initialize(const std::string& prefix, std::uint64_t seed) const { return impl_->weights.initialize(prefix, seed); }

void UNet::check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const {
  impl_->weights.check(weights, prefix, origin);
}

double UNet::flops(std::int64_t height, std::int64_t width, std::int64_t tokens) const {
  return unet_flops(impl_->structure, height, width, tokens);
}

const Value& UNet::config() const { return impl_->config; }

}  // namespace espalier::network
