// Describes images by the mean of their pixels: a scalar with its interval for each stage, and a table of the stages.
#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/bootstrap.h"

namespace {

using namespace espalier;

constexpr std::int64_t kRows = 64;  // decoded at a time

// [N], in [0, 1].
std::vector<double> pixel_means(const View& view) {
  std::vector<double> means;
  for (std::int64_t first = 0; first < view.size(); first += kRows) {
    const auto rows = View::range(first, std::min(kRows, view.size() - first));
    const auto part = view.decoded(rows).tensors.at("image").to(at::kDouble).flatten(1).mean(1);  // [rows]
    means.insert(means.end(), part.const_data_ptr<double>(), part.const_data_ptr<double>() + part.numel());
  }
  return means;
}

class Brightness final : public Metric {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples", "The images to describe.").of("image").many(); }

  Findings measure(const MetricInput& input) const override {
    Table table{.name = "pixels",
                .columns = {{"stage"}, {"images"}, {"mean"}, {"least"}, {"greatest"}},
                .rows = {},
                .caption = "The mean of an image's pixels, 0 (black) to 1 (white): its mean over the images, and its extremes."};
    Findings findings;
    for (const auto& view : input.samples) {
      const auto means = pixel_means(view);
      if (means.empty()) throw StageError("metric.brightness: '" + view.tag() + "' has no samples");
      const auto mean = intervals::mean(means, input.key);
      const auto [least, greatest] = std::minmax_element(means.begin(), means.end());
      findings.scalars.push_back(to_scalar("mean_pixel", mean, {.stage = view.tag()}));
      table.rows.push_back({view.tag(), view.size(), mean.value, *least, *greatest});
    }
    findings.tables.push_back(std::move(table));
    return findings;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.metric<Brightness>("brightness", /*numerics_version=*/1, "A table of how bright images are."); }
