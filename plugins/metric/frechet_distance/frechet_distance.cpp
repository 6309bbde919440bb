// How far samples are from real images in a network's features: the Frechet distance and the kernel distance, against FLOPs an image.
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/metric/frechet_distance/image_features.h"
#include "plugins/metric/frechet_distance/inception.h"
#include "plugins/shared/frechet/distances.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/sdk/real_examples.h"
#include "runtime/tensor/tensor_map.h"

namespace {

using namespace espalier;
using frechet_distance::FeatureNetwork;
using frechet_distance::ImageFeatures;

struct Point {
  std::string tag;
  std::string series;
  double flops = 0.0;  // an image
  double frechet = 0.0;
  intervals::Estimate kernel;
};

// One line a series, in the order they are named, its points by ascending FLOPs.
Chart chart(const std::string& name, const std::string& y_label, std::vector<Point> points, bool frechet) {
  Chart result{.name = name, .x_label = "FLOPs an image", .y_label = y_label, .log_x = true};
  std::map<std::string, std::size_t> place;
  for (const auto& point : points) {
    if (place.emplace(point.series, result.series.size()).second) result.series.push_back({.name = point.series});
  }
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.flops < b.flops; });
  for (const auto& point : points) {
    auto& line = result.series[place.at(point.series)];
    line.x.push_back(point.flops);
    line.y.push_back(frechet ? point.frechet : point.kernel.value);
    if (frechet) continue;
    line.low.push_back(point.kernel.low);
    line.high.push_back(point.kernel.high);
  }
  return result;
}

class FrechetDistance final : public Metric {
 public:
  void options(Schema& schema) override {
    schema.text("split", split_, "The split of the domain's examples that holds the real images.");
    schema.integer("count", count_, "Real images, drawn without replacement; 0: all of the split.").at_least(0).at_most(1e9);
    schema
        .path("inception", inception_,
              "File of the FID network's weights (safetensors), instead of a classifier: features are those of the Frechet inception "
              "distance.")
        .operational();
    schema.choice("resize", resize_, {frechet_distance::kResizeOfNetwork, frechet_distance::kNoResize, frechet_distance::kBilinear299},
                  "What is done to images before the network: as_network is none for a classifier and bilinear_299 for Inception.");
    schema.strings("series", series_, "The line of the charts that each of the samples is a point of; empty: all of one line.");
  }

  void inputs(Inputs& in) override {
    in.trajectories("samples", "The images to compare with the real ones.").of("image").sampled().many();
    in.model("model", "The classifier whose features are compared.").of(classifier::kRole).optional();
  }

  // A network named by its path enters the key by its weights' digest; one made by a stage is in the key as an input.
  Value identity(const Domain& domain) const override {
    Value identity = Value::Map{{"examples", domain.data().examples(split_)->digest()}};
    if (!inception_.empty()) {
      identity["weights"] = digest_weights(frechet_distance::inception::read(inception_));
      identity["architecture"] = "inception";
    }
    return identity;
  }

  void check() const override {
    if (!inception_.empty()) frechet_distance::inception::read(inception_);
  }

  void check_inputs(const PlannedInputs& inputs) const override {
    const auto& samples = inputs.views.at("samples");
    if (!series_.empty() && series_.size() != samples.size()) {
      throw ConfigError(fmt::format("metric.frechet_distance: series names {} lines, but there are {} samples; name one for each",
                                    series_.size(), samples.size()));
    }
    check_one_network(inputs.model != nullptr);
    check_sizes(samples, inputs.domain);
    const auto dimensions = planned_dimensions(inputs.model);
    const auto examples = inputs.domain.data().examples(split_);
    const auto count = real_examples().size(*examples);
    if (dimensions == 0) return;
    require<ConfigError>("the real images of '" + split_ + "'", count, dimensions);
    for (const auto& view : samples) require<ConfigError>("the samples of '" + view.tag + "'", view.size, dimensions);
  }

  Findings measure(const MetricInput& input) const override {
    const ImageFeatures features(network(input), resize_, input.domain);
    const auto examples = input.domain->data().examples(split_);
    const auto real = features.of(*examples, positions(*examples, features.dimensions(), input.key));
    std::vector<Point> points;
    for (std::size_t i = 0; i < input.samples.size(); ++i) {
      points.push_back(compare(input.samples[i], real, features, input));
      points.back().series = series_.empty() ? "samples" : series_[i];
    }
    const auto what = fmt::format("distance to '{}' ({}, resize {})", split_, features.network(), features.resize());
    return {scalars(points, real),
            {chart("frechet_distance", "Fréchet " + what, points, true), chart("kernel_distance", "kernel " + what, points, false)}};
  }

 private:
  // Features of images of other sizes are not comparable, unless they are brought to one.
  void check_sizes(const std::vector<PlannedView>& samples, const Domain& domain) const {
    const bool one_size =
        resize_ == frechet_distance::kBilinear299 || (resize_ == frechet_distance::kResizeOfNetwork && !inception_.empty());
    if (one_size) return;
    const auto size = [](const Codec& codec) { return codec.spec().begin()->second.shape; };
    const auto real = size(*domain.codec(nullptr));
    for (const auto& view : samples) {
      const auto found = size(*view.codec);
      if (found == real) continue;
      throw ConfigError(
          fmt::format("metric.frechet_distance: the samples of '{}' are [{}], but the real images are [{}]; set the domain's "
                      "resolution to the model's, or resize = \"{}\"",
                      view.tag, fmt::join(found, ", "), fmt::join(real, ", "), frechet_distance::kBilinear299));
    }
  }

  void check_one_network(bool has_model) const {
    if (has_model && !inception_.empty()) {
      throw ConfigError("metric.frechet_distance: has both an input `model` and the option inception; one is enough");
    }
    if (has_model || !inception_.empty()) return;
    throw ConfigError(
        "metric.frechet_distance: needs inputs = { model = \"<a classifier>\" }, a trainer.classifier stage or a folder of [models], or "
        "the "
        "option inception = \"<file>\"");
  }

  // Features of the network; 0 where they are known only once it is trained.
  std::int64_t planned_dimensions(const ModelInfo* model) const {
    if (!inception_.empty()) return frechet_distance::inception::kFeatures;
    const auto* channels = model->architecture.is_map() ? model->architecture.find("channels") : nullptr;
    return channels ? channels->as_list().back().as_integer() : 0;
  }

  FeatureNetwork network(const MetricInput& input) const {
    check_one_network(input.model != nullptr);
    if (input.model) return frechet_distance::classifier_network(input.model);
    return frechet_distance::inception_network(tensor::on(input.context.device, frechet_distance::inception::read(inception_)));
  }

  RealExamples real_examples() const { return {"metric.frechet_distance", split_, count_, "images"}; }

  std::vector<std::uint64_t> positions(const Examples& examples, std::int64_t dimensions, const random::StreamKey& key) const {
    require<StageError>("the real images of '" + split_ + "'", real_examples().size(examples), dimensions);
    return real_examples().positions(examples, key);
  }

  // A covariance of fewer vectors than this is singular, and its distance is meaningless.
  template <class Problem>
  static void require(const std::string& what, std::int64_t count, std::int64_t dimensions) {
    const auto least = std::max(dimensions + 1, frechet_distance::kLeastRows);
    if (count >= least) return;
    throw Problem(fmt::format("metric.frechet_distance: {} are {}, but {} features need at least {}; take more, or a narrower network",
                              what, count, dimensions, least));
  }

  // Samples go round the conditions, so that neighbours may be of few of them; in a drawn order every run of rows is a fair sample.
  static at::Tensor in_drawn_order(const at::Tensor& rows, const random::StreamKey& key) {
    const auto size = static_cast<std::uint64_t>(rows.size(0));
    std::vector<std::int64_t> order;
    for (std::uint64_t i = 0; i < size; ++i) order.push_back(static_cast<std::int64_t>(random::shuffled_index(key, /*epoch=*/1, size, i)));
    return rows.index_select(0, at::tensor(order, at::kLong));
  }

  static Point compare(const View& samples, const at::Tensor& real, const ImageFeatures& features, const MetricInput& input) {
    require<StageError>("the samples of '" + samples.tag() + "' without the excluded ones", samples.size(), features.dimensions());
    const double flops = samples.flops_per_sample();
    const bool conditional = input.domain->data().conditions(input.domain->data().splits().front()).size() > 1;
    const auto found = conditional ? in_drawn_order(features.of(samples), input.key) : features.of(samples);
    return {samples.tag(), "", flops, frechet_distance::frechet_distance(found, real),
            frechet_distance::kernel_distance_in_subsets(found, real)};
  }

  static std::vector<Scalar> scalars(const std::vector<Point>& points, const at::Tensor& real) {
    std::vector<Scalar> result;
    for (const auto& point : points) result.push_back(to_scalar("frechet_distance", point.frechet, {.stage = point.tag}));
    const auto half = real.size(0) / 2;
    if (half > real.size(1)) {
      const double floor = frechet_distance::frechet_distance(real.narrow(0, 0, half), real.narrow(0, half, half));
      result.push_back(to_scalar("frechet_distance_of_real_halves", floor));
    }
    for (const auto& point : points) result.push_back(to_scalar("kernel_distance", point.kernel, {.stage = point.tag}));
    for (const auto& point : points) result.push_back(to_scalar("flops_per_image", point.flops, {.stage = point.tag}));
    return result;
  }

  std::string split_ = "held_out";
  std::int64_t count_ = 0;
  std::string inception_;
  std::string resize_ = frechet_distance::kResizeOfNetwork;
  std::vector<std::string> series_;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<FrechetDistance>(
      "frechet_distance", /*numerics_version=*/2,
      "Frechet and kernel distance of samples to real images in the features of a classifier or of Inception, against FLOPs an image.");
}
