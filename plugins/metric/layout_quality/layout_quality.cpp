// How good generated pages are, beside real ones: alignment, overlap, maximum IoU, and a Frechet distance in a layout network's features.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "plugins/metric/layout_quality/pages.h"
#include "plugins/shared/frechet/distances.h"
#include "plugins/shared/frechet/jackknife.h"
#include "plugins/shared/layout/max_iou.h"
#include "plugins/shared/layout/measures.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/intervals.h"

namespace {

using namespace espalier;
using layout_quality::FeatureNetwork;
using layout_quality::Pages;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kFrechet = "frechet_distance_layout_features";

Scalar plain(const std::string& name, double value) { return {name, value, kNone, kNone}; }

class LayoutQuality final : public Metric {
 public:
  void options(Schema& schema) override {
    schema.text("split", split_, "The split of the domain's examples that holds the real pages.");
    schema.integer("count", count_, "Real pages, drawn without replacement; 0: all of the split.").at_least(0).at_most(1e9);
    schema.flag("all_conventions", all_conventions_, "Also alignment_sum, overlap_sum and overlap_area, as other papers have them.");
    schema.number("border", border_, "Width that boxes should leave free on each side, as a share of the page; of margins and readability.")
        .at_least(0.0)
        .below(0.5);
  }

  void inputs(Inputs& in) override {
    in.trajectories("samples", "The pages to judge.").of("layout").many();
    in.model("model", "The layout network in whose features a Frechet distance is taken.").of(layout::kFeaturesRole).optional();
  }

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.examples(split_)->digest()}}; }

  void check_inputs(const PlannedInputs& inputs) const override { real_count(*inputs.domain.examples(split_)); }

  Findings measure(const MetricInput& input) const override {
    std::optional<FeatureNetwork> network;
    if (input.model) network.emplace(input.model);
    const auto examples = input.domain->examples(split_);
    const auto real = layout_quality::pages_of(*examples, positions(*examples, input.key), *input.domain);
    if (real.usable.empty()) throw StageError("metric.layout_quality: the split '" + split_ + "' has no page with boxes that have an area");
    at::Tensor real_features;
    if (network) real_features = features(*network, real, "the real pages of '" + split_ + "'");
    Findings findings;
    std::optional<frechet_distance::Jackknife> first;
    for (const auto& samples : input.samples) {
      const auto pages = layout_quality::pages_of(samples);
      compare(pages, real, samples.tag(), input.key, findings.scalars);
      if (network && !pages.usable.empty()) {
        const auto found = features(*network, pages, "the pages of '" + samples.tag() + "'");
        add_frechet(found, real_features, "." + samples.tag(), first, findings.scalars);
      }
    }
    describe_real(real, real_features, input.key, findings.scalars);
    return findings;
  }

 private:
  static std::int64_t distinct(const Examples& examples) { return examples.size() == 0 ? 0 : examples.distinct(); }

  // How many of the split are compared with.
  std::int64_t real_count(const Examples& examples) const {
    const auto size = distinct(examples);
    if (size == 0 && count_ == 0) {
      throw ConfigError("metric.layout_quality: the split '" + split_ + "' is generated without end; say how many by the option count");
    }
    if (size > 0 && count_ > size) {
      throw ConfigError(fmt::format("metric.layout_quality: count = {}, but the split '{}' has {} pages", count_, split_, size));
    }
    return count_ == 0 ? size : count_;
  }

  // In a drawn order, so that halves are fair samples of a split that is sorted.
  std::vector<std::uint64_t> positions(const Examples& examples, const random::StreamKey& key) const {
    const auto size = distinct(examples), count = real_count(examples);
    std::vector<std::uint64_t> result;
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(count); ++i) {
      result.push_back(size == 0 ? i : random::shuffled_index(key, /*epoch=*/0, static_cast<std::uint64_t>(size), i));
    }
    return result;
  }

  // A covariance of fewer vectors than this is singular, and its distance says nothing.
  static at::Tensor features(const FeatureNetwork& network, const Pages& pages, const std::string& what) {
    const auto count = static_cast<std::int64_t>(pages.usable.size());
    if (count <= network.dimensions()) {
      throw StageError(
          fmt::format("metric.layout_quality: {} with boxes are {}, but {} features need at least {}; take more, or a narrower network",
                      what, count, network.dimensions(), network.dimensions() + 1));
    }
    return network.of(pages);
  }

  // The distance, and where pages are enough its jackknife: corrected for the bias, and the change from the first stage's distance.
  static void add_frechet(const at::Tensor& found, const at::Tensor& real, const std::string& suffix,
                          std::optional<frechet_distance::Jackknife>& first, std::vector<Scalar>& scalars) {
    const std::string name = kFrechet;
    scalars.push_back(plain(name + suffix, frechet_distance::frechet_distance(found, real)));
    const auto width = real.size(1);
    if (!frechet_distance::enough_for_jackknife(found.size(0), width) || !frechet_distance::enough_for_jackknife(real.size(0), width))
      return;
    const auto of = frechet_distance::jackknife(found, real);
    const auto add = [&](const std::string& what, const frechet_distance::Estimate& estimate) {
      scalars.push_back({name + what + suffix, estimate.value, estimate.low, estimate.high});
    };
    add("_corrected", frechet_distance::corrected(of));
    if (first) add("_change", frechet_distance::difference(of, *first));
    if (!first) first = of;
  }

  void add_measures(const Pages& pages, const std::string& prefix, const std::string& suffix, const random::StreamKey& key,
                    std::vector<Scalar>& scalars) const {
    const auto add = [&](const std::string& name, const std::function<double(const layout::Page&)>& of_page) {
      std::string full = prefix;
      full += name + suffix;
      scalars.push_back(layout_quality::mean_over(full, pages, of_page, key));
    };
    add("alignment", layout::alignment);
    add("overlap", layout::overlap);
    layout::Readability readability;
    readability.border = border_;
    add("margins", [&](const layout::Page& page) { return layout::margins(page, border_); });
    add("readability", [&](const layout::Page& page) { return layout::readability(page, readability); });
    if (all_conventions_) {
      add("alignment_sum", layout::alignment_sum);
      add("overlap_sum", layout::overlap_sum);
      add("overlap_area", layout::overlap_area);
    }
    add("boxes_per_page", [](const layout::Page& page) { return static_cast<double>(page.size()); });
  }

  // Where a value has nothing to be taken of (no usable page, no page of the same labels) its scalar is left out.
  void compare(const Pages& pages, const Pages& real, const std::string& tag, const random::StreamKey& key,
               std::vector<Scalar>& scalars) const {
    const std::string suffix = "." + tag;
    scalars.push_back(to_scalar("usable_share" + suffix, intervals::share(static_cast<std::int64_t>(pages.usable.size()), pages.count)));
    scalars.push_back(layout_quality::share_without_area("boxes_without_area" + suffix, pages));
    if (pages.usable.empty()) return;
    add_measures(pages, "", suffix, key, scalars);
    add_max_iou(layout::max_iou(pages.usable, real.usable), pages.usable.size(), "max_iou" + suffix, "max_iou_share" + suffix, scalars);
  }

  static void add_max_iou(const layout::MaxIou& found, std::size_t pages, const std::string& name, const std::string& share,
                          std::vector<Scalar>& scalars) {
    if (found.pairs > 0) scalars.push_back(plain(name, found.value));
    scalars.push_back(plain(share, static_cast<double>(found.pairs) / static_cast<double>(pages)));
  }

  void describe_real(const Pages& real, const at::Tensor& features, const random::StreamKey& key, std::vector<Scalar>& scalars) const {
    scalars.push_back(plain("data_pages", static_cast<double>(real.usable.size())));
    add_measures(real, "data_", "", key, scalars);
    const auto half = real.usable.size() / 2;
    if (half == 0) return;
    const auto found = layout::max_iou(real.part(0, half).usable, real.part(half, 2 * half).usable);
    add_max_iou(found, half, "data_max_iou_of_halves", "data_max_iou_share_of_halves", scalars);
    const auto rows = static_cast<std::int64_t>(half);
    if (!features.defined() || rows <= features.size(1)) return;
    const double floor = frechet_distance::frechet_distance(features.narrow(0, 0, rows), features.narrow(0, rows, rows));
    scalars.push_back(plain(std::string("data_") + kFrechet + "_of_halves", floor));
  }

  std::string split_ = "held_out";
  std::int64_t count_ = 0;
  bool all_conventions_ = false;
  double border_ = 0.03;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<LayoutQuality>("layout_quality", /*numerics_version=*/2,
                               "Alignment, overlap, maximum IoU and a Frechet distance of generated pages, beside the real ones.");
}
