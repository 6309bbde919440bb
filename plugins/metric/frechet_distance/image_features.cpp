#include "plugins/metric/frechet_distance/image_features.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <fmt/format.h>

#include <algorithm>

#include "plugins/metric/frechet_distance/inception.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/encoding.h"

namespace espalier::frechet_distance {
namespace {

constexpr double kWhite = 255.0;
constexpr std::int64_t kInceptionSide = 299;
constexpr std::int64_t kInceptionBatch = 16;  // 0.1 GB of intermediate values

}  // namespace

FeatureNetwork classifier_network(const std::shared_ptr<const Model>& classifier) {
  const auto config = classifier::Config::from_value(classifier->info.architecture, "the classifier");
  classifier::check(config, classifier->weights, "the classifier");
  FeatureNetwork network{.name = "classifier", .channels = config.in_channels, .dimensions = config.channels.back()};
  network.resize = kNoResize;
  network.options = classifier->weights.begin()->second.options();
  network.features = [classifier, config](const at::Tensor& image) { return classifier::features(config, classifier->weights, image); };
  return network;
}

FeatureNetwork inception_network(Weights weights) {
  FeatureNetwork network{.name = "Inception network", .channels = 3, .repeats_grey = true, .dimensions = inception::kFeatures};
  network.least_side = inception::kLeastSide;
  network.batch = kInceptionBatch;
  network.resize = kBilinear299;
  network.options = weights.begin()->second.options();
  network.features = [weights = std::move(weights)](const at::Tensor& image) { return inception::features(weights, image); };
  return network;
}

ImageFeatures::ImageFeatures(FeatureNetwork network, const std::string& resize, const Domain* domain)
    : network_(std::move(network)), resize_(resize == kResizeOfNetwork ? network_.resize : resize), domain_(domain) {}

at::Tensor ImageFeatures::of(const Sample& images) const {
  const auto image = images.tensors.at("image");
  auto x = image.clamp(0.0, 1.0).mul(kWhite).round().div(kWhite).to(network_.options);
  if (resize_ == kBilinear299) x = at::upsample_bilinear2d(x, {kInceptionSide, kInceptionSide}, /*align_corners=*/false);
  if (x.size(1) == 1 && network_.repeats_grey) x = x.expand({-1, network_.channels, -1, -1});
  if (x.size(1) != network_.channels) {
    throw StageError(fmt::format("metric.frechet_distance: images have {} channels, the {} was trained on {}", x.size(1), network_.name,
                                 network_.channels));
  }
  if (std::min(x.size(2), x.size(3)) < network_.least_side) {
    throw StageError(fmt::format("metric.frechet_distance: images are {} x {}, but the {} needs {} x {} at least; set resize = \"{}\"",
                                 x.size(2), x.size(3), network_.name, network_.least_side, network_.least_side, kBilinear299));
  }
  return network_.features(x).to(at::kCPU, at::kDouble);
}

at::Tensor ImageFeatures::of(const View& samples) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> batches;
  for (std::int64_t first = 0; first < samples.size(); first += network_.batch) {
    batches.push_back(of(samples.decoded(View::range(first, std::min(network_.batch, samples.size() - first)))));
  }
  const auto all = at::cat(batches);
  if (!all.isfinite().all().item<bool>()) {
    throw StageError("metric.frechet_distance: the images of '" + samples.tag() + "' have features that are not finite");
  }
  return all;
}

at::Tensor ImageFeatures::of(const Examples& examples, const std::vector<std::uint64_t>& positions) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> batches;
  for (auto first = positions.begin(); first != positions.end();) {
    const auto last = first + std::min<std::ptrdiff_t>(network_.batch, positions.end() - first);
    batches.push_back(of(samples_of(*domain_, examples.at({first, last}))));
    first = last;
  }
  return at::cat(batches);
}

}  // namespace espalier::frechet_distance
