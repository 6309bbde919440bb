#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/modelfile/model.h"

// A small convolutional classifier of images as a function of named weights:
//   x = 2 image - 1;  for each level i: x = relu(conv_i(x)), 3 x 3, stride 2, padding 1;  logits = linear(mean of x over the image)
// Weights: "conv.<i>.weight" [channels_i, channels_(i-1), 3, 3], "conv.<i>.bias", "linear.weight" [classes, last channels], "linear.bias".
// As a model: the role kRole, architecture Config::to_value().
namespace espalier::classifier {

inline constexpr const char* kRole = "classifier";  // ModelInfo::role

struct Config {
  std::int64_t in_channels = 1;                        // 1 or 3
  std::vector<std::int64_t> channels = {32, 64, 128};  // of each level
  std::vector<std::string> class_names;                // of label 0, 1, ...

  Value to_value() const;
  static Config from_value(const Value& value, const std::string& origin);  // throws DataError naming origin
};

// Fresh weights as PyTorch initialises its layers, a function of the seed alone.
Weights initialize(const Config& config, std::uint64_t seed);

// Throws DataError naming origin and the first weight that is missing, misshapen or unknown.
void check(const Config& config, const Weights& weights, const std::string& origin);

// image [B, in_channels, H, W] float in [0, 1], on the weights' device. Gives [B, last channels], the linear layer's input (the mean over
// the image), of images of any size; and [B, classes]. Differentiable in weights and image.
at::Tensor features(const Config& config, const Weights& weights, const at::Tensor& image);
at::Tensor logits(const Config& config, const Weights& weights, const at::Tensor& image);

}  // namespace espalier::classifier
