#include "plugins/metric/frechet_distance/picture_features.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::frechet_distance {
namespace {

constexpr std::int64_t kBatch = 64;
constexpr double kWhite = 255.0;
constexpr const char* kKind = "image";

}  // namespace

PictureFeatures::PictureFeatures(std::shared_ptr<const Model> classifier, const Domain* domain)
    : classifier_(std::move(classifier)), domain_(domain) {
  if (classifier_->info.role != classifier::kRole) {
    throw StageError("metric.frechet_distance: the input `model` is a " + classifier_->info.role +
                     ", not a classifier; name a trainer.classifier stage");
  }
  if (domain_ == nullptr || domain_->sample_kind() != kKind) {
    throw StageError("metric.frechet_distance: compares samples of kind 'image'; the domain's are of kind '" +
                     (domain_ == nullptr ? "" : domain_->sample_kind()) + "'");
  }
  config_ = classifier::Config::from_value(classifier_->info.architecture, "the classifier");
  classifier::check(config_, classifier_->weights, "the classifier");
}

at::Tensor PictureFeatures::of(const State& state) const {
  const auto image = domain_->decode(state).tensors.at("image");
  if (image.size(1) != config_.in_channels) {
    throw StageError(fmt::format("metric.frechet_distance: pictures have {} channels, the classifier was trained on {}", image.size(1),
                                 config_.in_channels));
  }
  const auto rounded = image.clamp(0.0, 1.0).mul(kWhite).round().div(kWhite).to(classifier_->weights.begin()->second.options());
  return classifier::features(config_, classifier_->weights, rounded).to(at::kCPU, at::kDouble);
}

at::Tensor PictureFeatures::of(const SampleSet& samples) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> batches;
  for (std::int64_t first = 0; first < samples.size(); first += kBatch) {
    batches.push_back(of(samples.states(0, first, std::min(kBatch, samples.size() - first))));
  }
  const auto all = at::cat(batches);
  if (!all.isfinite().all().item<bool>()) {
    throw StageError("metric.frechet_distance: the pictures of '" + samples.tag() + "' have features that are not finite");
  }
  return all;
}

at::Tensor PictureFeatures::of(const Examples& examples, const std::vector<std::uint64_t>& positions) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> batches;
  for (auto first = positions.begin(); first != positions.end();) {
    const auto last = first + std::min<std::ptrdiff_t>(kBatch, positions.end() - first);
    batches.push_back(of(examples.at({first, last}).state));
    first = last;
  }
  return at::cat(batches);
}

}  // namespace espalier::frechet_distance
