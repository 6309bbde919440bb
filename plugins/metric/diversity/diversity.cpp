// How different the samples of one condition are: the mean distance of their pairs and the share of near-duplicates, over conditions, and
// their paired differences to a baseline.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/metric/diversity/pairs.h"
#include "plugins/shared/classifier/network.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/bootstrap.h"

namespace {

using namespace espalier;
using diversity::Compared;
using diversity::Pairs;

constexpr std::int64_t kBatch = 64;  // samples that are decoded at a time
constexpr double kWhite = 255.0;
constexpr const char* kImages = "image";

using ByCondition = std::map<std::int64_t, Pairs>;

class Diversity final : public Metric {
 public:
  void options(Schema& schema) override {
    schema
        .number("near_duplicate_distance", near_duplicate_distance_,
                "Two images of a condition are near-duplicates below this root mean square difference of their pixels (scale 0 to 1).")
        .at_least(0.0)
        .at_most(1.0);
  }

  void inputs(Inputs& in) override {
    in.trajectories("samples", "The samples, at least two of each condition; of several sets, the first is what differences are to.")
        .sampled()
        .many();
    in.model("model", "A classifier of images, in whose features they are compared besides.").of(classifier::kRole).optional();
  }

  void check_inputs(const PlannedInputs& inputs) const override {
    const auto kind = inputs.domain.sample_kind();
    const auto& samples = inputs.views.at("samples");
    for (const auto& view : samples) {
      if (kind != kImages && !view.codec->has_canonical_keys()) {
        throw ConfigError(fmt::format(
            "metric.diversity: '{}' has samples of the kind '{}', which are no images and have no canonical keys, so that no two "
            "of them can be compared",
            view.tag, kind));
      }
      if (view.samples_per_condition < 2) {
        throw ConfigError(fmt::format(
            "metric.diversity: '{}' has one sample of each condition, and a pair needs two; set its samples_per_condition to 2 or more",
            view.tag));
      }
      if (view.conditions != samples.front().conditions) {
        throw ConfigError(fmt::format(
            "metric.diversity: '{}' and '{}' are not of the same conditions; sample both with the same split and max_conditions",
            samples.front().tag, view.tag));
      }
    }
    if (kind != kImages && inputs.model != nullptr) {
      throw ConfigError(
          fmt::format("metric.diversity: the input `model` is a classifier of images, but the samples are of the kind '{}'", kind));
    }
  }

  Findings measure(const MetricInput& input) const override {
    const at::NoGradGuard no_grad;
    Findings findings;
    std::optional<ByCondition> first;
    for (const auto& view : input.samples) {
      const auto found = by_condition(view, input);
      const bool images = input.domain->sample_kind() == kImages;
      const auto add = [&](const std::string& name, double Pairs::* of) {
        const auto value = means(found, of);
        findings.scalars.push_back(to_scalar(name, intervals::mean(value, input.key), {.stage = view.tag()}));
        if (first) add_difference(name, *first, found, of, input, view.tag(), findings);
      };
      if (images) add("pairwise_distance", &Pairs::pixel_distance);
      if (input.model) add("feature_distance", &Pairs::feature_distance);
      std::vector<double> near, pairs;
      for (const auto& [condition, one] : found) near.push_back(one.near_duplicates), pairs.push_back(one.count);
      findings.scalars.push_back(to_scalar("near_duplicate_share", share(near, pairs), {.stage = view.tag()}));
      if (first) add_difference("near_duplicate_share", *first, found, &Pairs::near_duplicates, input, view.tag(), findings);
      if (!first) first = found;
    }
    return findings;
  }

 private:
  // One condition gives no interval.
  static intervals::Estimate share(const std::vector<double>& part, const std::vector<double>& whole) {
    if (part.size() < 2) return {part.front() / whole.front(), Scalar::kNone, Scalar::kNone, intervals::Kind::none, 1};
    return intervals::share_of_clusters(part, whole);
  }

  // Of each condition: near-duplicates as a share of its pairs, distances as they are.
  static double value_of(const Pairs& pairs, double Pairs::* of) {
    return of == &Pairs::near_duplicates ? pairs.near_duplicates / pairs.count : pairs.*of;
  }

  static std::vector<double> means(const ByCondition& found, double Pairs::* of) {
    std::vector<double> values;
    for (const auto& [condition, pairs] : found) values.push_back(value_of(pairs, of));
    return values;
  }

  // Condition by condition, of those that both sets have.
  static void add_difference(const std::string& name, const ByCondition& base, const ByCondition& found, double Pairs::* of,
                             const MetricInput& input, const std::string& tag, Findings& findings) {
    std::vector<double> differences;
    for (const auto& [condition, pairs] : found) {
      if (const auto before = base.find(condition); before != base.end()) {
        differences.push_back(value_of(pairs, of) - value_of(before->second, of));
      }
    }
    if (differences.empty()) return;  // excluded samples left no condition that both have
    auto estimate = intervals::mean(differences, input.key);
    // Drawn again, equal differences stay the same number: no proof that the true difference is exactly that.
    if (std::ranges::count(differences, differences.front()) == std::ssize(differences)) {
      estimate.low = estimate.high = Scalar::kNone;
      estimate.kind = intervals::Kind::none;
    }
    findings.scalars.push_back(to_scalar(name + "_difference", estimate, {.stage = tag, .baseline = input.samples.front().tag()}));
  }

  // Of each condition with two samples or more that are not excluded.
  ByCondition by_condition(const View& view, const MetricInput& input) const {
    std::map<std::int64_t, std::vector<std::int64_t>> rows;
    for (std::int64_t row = 0; row < view.size(); ++row) rows[view.condition()[static_cast<std::size_t>(row)]].push_back(row);
    const auto all = read(view, input);
    ByCondition found;
    for (const auto& [condition, of_condition] : rows) {
      if (of_condition.size() < 2) continue;
      input.context.check_stop();
      Compared compared;
      const auto index = at::tensor(of_condition, at::kLong);
      if (all.pixels.defined()) compared.pixels = all.pixels.index_select(0, index);
      if (all.features.defined()) compared.features = all.features.index_select(0, index);
      for (const auto row : of_condition) {
        if (!all.keys.empty()) compared.keys.push_back(all.keys.at(static_cast<std::size_t>(row)));
      }
      found.emplace(condition, diversity::pairs_of(compared, std::ssize(of_condition), near_duplicate_distance_));
    }
    if (found.empty()) {
      throw StageError(fmt::format("metric.diversity: no condition of '{}' has two samples that are not excluded", view.tag()));
    }
    return found;
  }

  // What is compared of each row. Images are rounded to 8 bits, as if they had been written to files.
  static Compared read(const View& view, const MetricInput& input) {
    std::vector<at::Tensor> pixels, features;
    Compared all;
    for (std::int64_t first = 0; first < view.size(); first += kBatch) {
      const auto sample = view.decoded(View::range(first, std::min(kBatch, view.size() - first)));
      if (view.codec().has_canonical_keys()) {
        const auto keys = view.codec().canonical_keys(sample);
        all.keys.insert(all.keys.end(), keys.begin(), keys.end());
      }
      if (sample.kind != kImages) continue;
      const auto rounded = sample.tensors.at("image").clamp(0.0, 1.0).mul(kWhite).round();
      pixels.push_back(rounded.flatten(1).to(at::kByte));
      if (input.model) features.push_back(features_of(rounded / kWhite, *input.model));
    }
    if (!pixels.empty()) all.pixels = at::cat(pixels);
    if (!features.empty()) all.features = at::cat(features);
    return all;
  }

  static at::Tensor features_of(const at::Tensor& image, const Model& model) {
    const auto config = classifier::Config::from_value(model.info.architecture, "the classifier");
    if (image.size(1) != config.in_channels) {
      throw StageError(
          fmt::format("metric.diversity: images have {} channels, the classifier was trained on {}", image.size(1), config.in_channels));
    }
    const auto& options = model.weights.begin()->second.options();
    return classifier::features(config, model.weights, image.to(options)).to(at::kCPU, at::kDouble);
  }

  double near_duplicate_distance_ = 0.05;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<Diversity>("diversity", /*numerics_version=*/1,
                           "How different the samples of one condition are: mean distance of pairs and share of near-duplicates.");
}
