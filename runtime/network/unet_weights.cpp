#include <fmt/format.h>

#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/network/unet_structure.h"

namespace espalier::network {
namespace {

class Writer {
 public:
  Writer(const UNetStructure& unet, const std::string& origin) : unet_(unet), origin_(origin) {}

  WeightSpecs write() {
    specs_.conv2d("conv_in", unet_.in_channels, unet_.base_channels, unet_.conv_in_kernel);
    two_layers("time_embedding", unet_.base_channels);
    if (unet_.class_embed_dim > 0) two_layers("class_embedding", unet_.class_embed_dim);
    if (unet_.text_embed_dim > 0) text_embedding();
    if (unet_.added_dim > 0) two_layers("add_embedding", unet_.added_dim);
    for (std::size_t i = 0; i < unet_.down.size(); ++i) block(fmt::format("down_blocks.{}.", i), unet_.down[i], "downsamplers");
    if (unet_.middle) block("mid_block.", *unet_.middle, "");
    for (std::size_t i = 0; i < unet_.up.size(); ++i) block(fmt::format("up_blocks.{}.", i), unet_.up[i], "upsamplers");
    group_norm("conv_norm_out", unet_.base_channels);
    specs_.conv2d("conv_out", unet_.base_channels, unet_.out_channels, unet_.conv_out_kernel);
    return std::move(specs_);
  }

 private:
  void group_norm(const std::string& name, std::int64_t channels) {
    if (channels % unet_.norm_num_groups != 0) {
      throw DataError(
          fmt::format("{}: norm_num_groups = {} does not divide the {} channels of {}", origin_, unet_.norm_num_groups, channels, name));
    }
    specs_.norm(name, channels);
  }

  void two_layers(const std::string& name, std::int64_t in) {
    specs_.linear(name + ".linear_1", in, unet_.time_embed_dim);
    specs_.linear(name + ".linear_2", unet_.time_embed_dim, unet_.time_embed_dim);
  }

  void text_embedding() {
    const auto dim = unet_.text_embed_dim;
    specs_.norm("add_embedding.norm1", dim);
    specs_.add({"add_embedding.pool.positional_embedding", {1, dim}, WeightSpec::Law::normal, 1.0 / std::sqrt(static_cast<double>(dim))});
    for (const auto* name : {"k_proj", "q_proj", "v_proj"}) specs_.linear(fmt::format("add_embedding.pool.{}", name), dim, dim);
    specs_.linear("add_embedding.proj", dim, unet_.time_embed_dim);
    specs_.norm("add_embedding.norm2", unet_.time_embed_dim);
  }

  void resnet(const std::string& name, const ResnetStructure& resnet) {
    group_norm(name + ".norm1", resnet.in_channels);
    specs_.conv2d(name + ".conv1", resnet.in_channels, resnet.out_channels, 3);
    specs_.linear(name + ".time_emb_proj", unet_.time_embed_dim, resnet.out_channels);
    group_norm(name + ".norm2", resnet.out_channels);
    specs_.conv2d(name + ".conv2", resnet.out_channels, resnet.out_channels, 3);
    if (resnet.in_channels != resnet.out_channels) specs_.conv2d(name + ".conv_shortcut", resnet.in_channels, resnet.out_channels, 1);
  }

  void channel_projection(const std::string& name, std::int64_t channels) {
    unet_.use_linear_projection ? specs_.linear(name, channels, channels) : specs_.conv2d(name, channels, channels, 1);
  }

  void attention(const std::string& name, std::int64_t channels, std::int64_t context) {
    specs_.linear(name + ".to_q", channels, channels, false);
    specs_.linear(name + ".to_k", context, channels, false);
    specs_.linear(name + ".to_v", context, channels, false);
    specs_.linear(name + ".to_out.0", channels, channels);
  }

  void transformer(const std::string& name, const BlockStructure& block) {
    const auto channels = block.channels;
    if (channels % block.heads != 0) {
      throw DataError(fmt::format("{}: attention_head_dim = {} (the number of heads) does not divide the {} channels of {}", origin_,
                                  block.heads, channels, name));
    }
    group_norm(name + ".norm", channels);
    channel_projection(name + ".proj_in", channels);
    for (std::int64_t i = 0; i < block.transformer_layers; ++i) {
      const auto layer = fmt::format("{}.transformer_blocks.{}", name, i);
      for (const auto* norm : {".norm1", ".norm2", ".norm3"}) specs_.norm(layer + norm, channels);
      attention(layer + ".attn1", channels, channels);
      attention(layer + ".attn2", channels, block.cross_attention_dim);
      specs_.linear(layer + ".ff.net.0.proj", channels, 8 * channels);
      specs_.linear(layer + ".ff.net.2", 4 * channels, channels);
    }
    channel_projection(name + ".proj_out", channels);
  }

  void block(const std::string& name, const BlockStructure& block, const std::string& resampler) {
    for (std::size_t i = 0; i < block.resnets.size(); ++i) resnet(fmt::format("{}resnets.{}", name, i), block.resnets[i]);
    const auto transformers = !block.attention ? 0 : resampler.empty() ? block.resnets.size() - 1 : block.resnets.size();
    for (std::size_t i = 0; i < transformers; ++i) transformer(fmt::format("{}attentions.{}", name, i), block);
    if (block.resample) specs_.conv2d(name + resampler + ".0.conv", block.channels, block.channels, 3);
  }

  const UNetStructure& unet_;
  const std::string& origin_;
  WeightSpecs specs_;
};

}  // namespace

WeightSpecs unet_weights(const UNetStructure& structure, const std::string& origin) { return Writer(structure, origin).write(); }

}  // namespace espalier::network
