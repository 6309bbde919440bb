#include "runtime/network/unet_structure.h"

namespace espalier::network {
namespace {

// Of one sample; `positions`: pixels of the states that a part works on.
class Counter {
 public:
  Counter(const UNetStructure& unet, double tokens) : unet_(unet), tokens_(tokens) {}

  double embeddings() const {
    double flops = two_layers(unet_.base_channels);
    if (unet_.class_embed_dim > 0) flops += two_layers(unet_.class_embed_dim);
    if (unet_.added_dim > 0) flops += two_layers(unet_.added_dim);
    if (unet_.text_embed_dim == 0) return flops;
    const auto dim = unet_.text_embed_dim;
    const auto all = tokens_ + 1;
    return flops + map(dim, dim, 1 + 2 * all) + 4 * all * static_cast<double>(dim) + map(dim, unet_.time_embed_dim, 1);
  }

  // Its resampling convolution gives `resampled` positions. The middle has one transformer fewer than residual networks.
  double block(const BlockStructure& block, double positions, double resampled, bool middle = false) const {
    double flops = 0;
    for (const auto& part : block.resnets) flops += resnet(part, positions);
    if (block.attention) flops += transformer(block, positions) * static_cast<double>(block.resnets.size() - (middle ? 1 : 0));
    if (block.resample) flops += 9 * map(block.channels, block.channels, resampled);
    return flops;
  }

  static double map(std::int64_t in, std::int64_t out, double positions) {
    return 2.0 * static_cast<double>(in) * static_cast<double>(out) * positions;
  }

 private:
  double two_layers(std::int64_t in) const { return map(in, unet_.time_embed_dim, 1) + map(unet_.time_embed_dim, unet_.time_embed_dim, 1); }

  double resnet(const ResnetStructure& resnet, double positions) const {
    const auto in = resnet.in_channels, out = resnet.out_channels;
    const auto shortcut = in == out ? 0.0 : map(in, out, positions);
    return 9 * map(in, out, positions) + 9 * map(out, out, positions) + shortcut + map(unet_.time_embed_dim, out, 1);
  }

  double transformer(const BlockStructure& block, double positions) const {
    const auto channels = block.channels, context = block.cross_attention_dim;
    const auto width = static_cast<double>(channels);
    const auto self = 4 * map(channels, channels, positions) + 4 * positions * positions * width;
    const auto cross = 2 * map(channels, channels, positions) + 2 * map(context, channels, tokens_) + 4 * positions * tokens_ * width;
    const auto feed_forward = 12 * map(channels, channels, positions);  // to 8 times as many, and from 4 times as many
    return 2 * map(channels, channels, positions) + static_cast<double>(block.transformer_layers) * (self + cross + feed_forward);
  }

  const UNetStructure& unet_;
  double tokens_;
};

}  // namespace

double unet_flops(const UNetStructure& unet, std::int64_t height, std::int64_t width, std::int64_t tokens) {
  const Counter count(unet, static_cast<double>(tokens));
  auto positions = static_cast<double>(height * width);
  double flops = count.embeddings() +
                 Counter::map(unet.in_channels * unet.conv_in_kernel * unet.conv_in_kernel, unet.base_channels, positions) +
                 Counter::map(unet.base_channels * unet.conv_out_kernel * unet.conv_out_kernel, unet.out_channels, positions);
  for (const auto& block : unet.down) {
    const auto below = block.resample ? positions / 4 : positions;
    flops += count.block(block, positions, below);
    positions = below;
  }
  if (unet.middle) flops += count.block(*unet.middle, positions, positions, true);
  for (const auto& block : unet.up) {
    const auto above = block.resample ? 4 * positions : positions;
    flops += count.block(block, positions, above);
    positions = above;
  }
  return flops;
}

}  // namespace espalier::network
