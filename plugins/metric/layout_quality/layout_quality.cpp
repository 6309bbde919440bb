// How good generated pages are, beside real ones: alignment, overlap, maximum IoU, and a Frechet distance in a layout network's features.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
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
#include "runtime/sdk/real_examples.h"
#include "runtime/selection/intervals.h"

namespace {

using namespace espalier;
using layout_quality::FeatureNetwork;
using layout_quality::Pages;

constexpr const char* kFrechet = "frechet_distance_layout_features";

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

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.data().examples(split_)->digest()}}; }

  void check_inputs(const PlannedInputs& inputs) const override { real_examples().size(*inputs.domain.data().examples(split_)); }

  Findings measure(const MetricInput& input) const override {
    std::optional<FeatureNetwork> network;
    if (input.model) network.emplace(input.model);
    const auto examples = input.domain->data().examples(split_);
    const auto real = layout_quality::pages_of(*examples, real_examples().positions(*examples, input.key), *input.domain);
    if (real.usable.empty()) throw StageError("metric.layout_quality: the split '" + split_ + "' has no page with boxes that have an area");
    at::Tensor real_features;
    if (network) real_features = features(*network, real, "the real pages of '" + split_ + "'");
    Findings findings;
    std::optional<Compared> first;
    for (const auto& samples : input.samples) {
      const auto pages = layout_quality::pages_of(samples);
      compare(pages, real, {.stage = samples.tag()}, input.key, findings.scalars);
      if (network && !pages.usable.empty()) {
        const auto found = features(*network, pages, "the pages of '" + samples.tag() + "'");
        add_frechet(found, real_features, samples.tag(), first, findings.scalars);
      }
    }
    describe_real(real, real_features, input.key, findings.scalars);
    return findings;
  }

 private:
  RealExamples real_examples() const { return {"metric.layout_quality", split_, count_, "pages"}; }

  // A covariance of fewer vectors than this is singular, and its distance is meaningless.
  static at::Tensor features(const FeatureNetwork& network, const Pages& pages, const std::string& what) {
    const auto count = static_cast<std::int64_t>(pages.usable.size());
    if (count <= network.dimensions()) {
      throw StageError(
          fmt::format("metric.layout_quality: {} with boxes are {}, but {} features need at least {}; take more, or a narrower network",
                      what, count, network.dimensions(), network.dimensions() + 1));
    }
    return network.of(pages);
  }

  // A stage's jackknifed distance, with which those of later stages are compared.
  struct Compared {
    std::string stage;
    frechet_distance::Jackknife distance;
  };

  // The distance, and where pages are enough its jackknife: corrected for the bias, and the change from the first stage's distance.
  static void add_frechet(const at::Tensor& found, const at::Tensor& real, const std::string& stage, std::optional<Compared>& first,
                          std::vector<Scalar>& scalars) {
    const std::string name = kFrechet;
    scalars.push_back(to_scalar(name, frechet_distance::frechet_distance(found, real), {.stage = stage}));
    const auto width = real.size(1);
    if (!frechet_distance::enough_for_jackknife(found.size(0), width) || !frechet_distance::enough_for_jackknife(real.size(0), width))
      return;
    const auto distance = frechet_distance::jackknife(found, real);
    const auto add = [&](const std::string& what, intervals::Estimate estimate, Subject about) {
      estimate.count = std::min(found.size(0), real.size(0));
      scalars.push_back(to_scalar(name + what, estimate, std::move(about)));
    };
    add("_corrected", frechet_distance::corrected(distance), {.stage = stage});
    if (first) add("_change", frechet_distance::difference(distance, first->distance), {.stage = stage, .baseline = first->stage});
    if (!first) first = Compared{stage, distance};
  }

  void add_measures(const Pages& pages, const Subject& about, const random::StreamKey& key, std::vector<Scalar>& scalars) const {
    const auto add = [&](const char* name, const std::function<double(const layout::Page&)>& of_page) {
      scalars.push_back(to_scalar(name, layout_quality::mean_over(pages, of_page, key), about));
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
  void compare(const Pages& pages, const Pages& real, const Subject& about, const random::StreamKey& key,
               std::vector<Scalar>& scalars) const {
    scalars.push_back(to_scalar("usable_share", intervals::share(std::ssize(pages.usable), pages.count), about));
    scalars.push_back(to_scalar("boxes_without_area", intervals::share_of_clusters(pages.without_area, pages.boxes), about));
    if (pages.usable.empty()) return;
    add_measures(pages, about, key, scalars);
    add_max_iou(layout::max_iou(pages.usable, real.usable), pages.usable.size(), "", about, scalars);
  }

  static void add_max_iou(const layout::MaxIou& found, std::size_t pages, const std::string& of, const Subject& about,
                          std::vector<Scalar>& scalars) {
    if (found.pairs > 0) scalars.push_back(to_scalar("max_iou" + of, found.value, about));
    scalars.push_back(to_scalar("max_iou_share" + of, static_cast<double>(found.pairs) / static_cast<double>(pages), about));
  }

  void describe_real(const Pages& real, const at::Tensor& features, const random::StreamKey& key, std::vector<Scalar>& scalars) const {
    const Subject about{.split = split_};
    scalars.push_back(to_scalar("pages", static_cast<double>(real.usable.size()), about));
    add_measures(real, about, key, scalars);
    const auto half = real.usable.size() / 2;
    if (half == 0) return;
    const auto found = layout::max_iou(real.part(0, half).usable, real.part(half, 2 * half).usable);
    add_max_iou(found, half, "_of_halves", about, scalars);
    const auto rows = static_cast<std::int64_t>(half);
    if (!features.defined() || rows <= features.size(1)) return;
    const double floor = frechet_distance::frechet_distance(features.narrow(0, 0, rows), features.narrow(0, rows, rows));
    scalars.push_back(to_scalar(std::string(kFrechet) + "_of_halves", floor, about));
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
