// The share of finite scores above a threshold, one scalar for each view of the input `scores`, without an interval.
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

class @Type@ final : public espalier::Metric {
 public:
  void options(espalier::Schema & schema) override { schema.number("threshold", threshold_, "Score from which on a sample counts."); }

  void inputs(espalier::Inputs& in) override { in.scores("scores", "The scores to look at.").many(); }

  espalier::Findings measure(const espalier::MetricInput& input) const override {
    espalier::Findings findings;
    for (const auto& view : input.scores.at("scores")) {
      findings.scalars.push_back(espalier::to_scalar("share_above", share(view), {.stage = view.tag}));
    }
    return findings;
  }

 private:
  double share(const espalier::ScoredView& view) const {
    double finite = 0.0, above = 0.0;
    for (const double score : view.score) {
      if (!std::isfinite(score)) continue;
      finite += 1.0;
      above += score >= threshold_ ? 1.0 : 0.0;
    }
    if (finite == 0.0) throw espalier::StageError("metric.@name@: '" + view.tag + "' has no finite score");
    return above / finite;
  }

  double threshold_ = 0.5;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.metric<@Type@>("@name@", /*numerics_version=*/1, "The share of scores above a threshold."); }
