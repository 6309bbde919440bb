#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "plugins/shared/classifier/network.h"
#include "runtime/sdk/metric.h"

namespace espalier::frechet_distance {

// What is done to an image before it enters a network.
inline constexpr const char* kNoResize = "none";               // it enters at the domain's own size
inline constexpr const char* kBilinear299 = "bilinear_299";    // to 299 x 299, bilinear, neither corners aligned nor smoothed
inline constexpr const char* kResizeOfNetwork = "as_network";  // none for a classifier, bilinear_299 for Inception

// A network whose features are compared.
struct FeatureNetwork {
  std::string name = {};           // as scalars' charts call it
  std::int64_t channels = 0;       // of the images it takes
  bool repeats_grey = false;       // a grey image is taken as one of equal colours
  std::int64_t dimensions = 0;     // of its features
  std::int64_t least_side = 1;     // of the images it takes
  std::int64_t batch = 64;         // images at a time
  std::string resize = {};         // what it was made for
  at::TensorOptions options = {};  // of the images it takes
  // image [B, channels, H, W] in [0, 1]. Gives [B, dimensions].
  std::function<at::Tensor(const at::Tensor& image)> features = {};
};

FeatureNetwork classifier_network(const std::shared_ptr<const Model>& classifier);  // throws StageError when the model is no classifier
FeatureNetwork inception_network(Weights weights);                                  // of inception::read

// The images' features under a network. Images are rounded to 8 bits first, as if they had been written to files, then resized; grey
// ones are repeated where the network takes colours.
class ImageFeatures {
 public:
  // Throws StageError where the domain has no images.
  ImageFeatures(FeatureNetwork network, const std::string& resize, const Domain* domain);

  std::int64_t dimensions() const { return network_.dimensions; }
  std::string network() const { return network_.name; }
  std::string resize() const { return resize_; }
  at::Tensor of(const View& samples) const;                                                    // [N, d] double, on the CPU
  at::Tensor of(const Examples& examples, const std::vector<std::uint64_t>& positions) const;  // [N, d] double, on the CPU

 private:
  at::Tensor of(const Sample& images) const;

  FeatureNetwork network_;
  std::string resize_;
  const Domain* domain_;
};

}  // namespace espalier::frechet_distance
