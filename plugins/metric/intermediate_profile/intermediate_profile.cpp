// How much of the reward is decided when t steps remain: E Var(r | X_t) from completions of cached states.
#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plugins/metric/intermediate_profile/profile.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::Chart;
using espalier::ConfigError;
using espalier::MetricInput;
using espalier::ScoredView;
using espalier::Table;
using espalier::Value;
namespace profile = espalier::intermediate_profile;

constexpr const char* kName = "metric.intermediate_profile";

class IntermediateProfile final : public espalier::Metric {
 public:
  void options(espalier::Schema& schema) override {
    schema
        .number("max_share", max_share_,
                "The largest step is recommended at which at most this share of the reward's variance within a condition is undecided.")
        .above(0.0)
        .below(1.0);
  }

  void inputs(espalier::Inputs& in) override {
    in.scores("scores", "Of the sampled trajectories.");
    in.scores("branches", "The same reward of stages that begin at recorded states of these trajectories (input 'start').")
        .many()
        .transitions({espalier::Step(std::int64_t{1})});  // refuses samplers whose steps have no law given the state
  }

  void check_inputs(const espalier::PlannedInputs& inputs) const override {
    const auto& scores = inputs.views.at("scores").front();
    if (scores.samples_per_condition < 2) {
      throw ConfigError(fmt::format("{}: '{}' has {} sample for each condition; the variance within a condition needs at least 2", kName,
                                    scores.tag, scores.samples_per_condition));
    }
    for (const auto& branch : inputs.views.at("branches")) {
      if (branch.start == scores.samples) continue;
      throw ConfigError(fmt::format("{}: '{}' scores '{}', which {}; a branch begins at states of '{}': inputs = {{ start = \"{}\", ... }}",
                                    kName, branch.tag, branch.samples,
                                    branch.start.empty() ? "begins at noise" : "begins at states of '" + branch.start + "'", scores.samples,
                                    scores.samples));
    }
  }

  espalier::Findings measure(const MetricInput& input) const override {
    const auto& scores = input.scores.at("scores").front();
    std::map<std::int64_t, profile::Completions> by_step;
    for (const auto& branch : input.scores.at("branches")) {
      auto& completions = by_step[branch.start_step];
      completions.step = branch.start_step;
      if (completions.reward.empty()) completions.reward.push_back(scores.score);  // the cached trajectory is a completion itself
      completions.reward.push_back(branch.score);
    }
    std::vector<profile::Completions> completions;
    for (auto& [step, one] : by_step) completions.push_back(std::move(one));
    const auto found = profile::profile_of(scores.score, scores.condition, completions, input.key);
    return findings(found, scores);
  }

 private:
  espalier::Findings findings(const profile::Profile& found, const ScoredView& scores) const {
    const auto step = profile::recommended_step(found, max_share_);
    const auto fraction = static_cast<double>(step) / static_cast<double>(scores.num_steps);
    espalier::Findings findings;
    findings.scalars = {espalier::to_scalar("within_condition_variance", found.within),
                        espalier::to_scalar("recommended_step", static_cast<double>(step)),
                        espalier::to_scalar("recommended_fraction", fraction)};
    Chart chart{"undecided_share", "steps remaining / N", "E Var(r | X_t) / Var r within a condition"};
    auto& line = chart.series.emplace_back(Chart::Series{.name = scores.tag});
    Table table{"intermediate_profile", {}, {}};
    for (const char* name :
         {"step", "fraction", "conditional_variance", "low", "high", "share", "share_low", "share_high", "states", "conditions"}) {
      table.columns.push_back({name});
    }
    for (const auto& point : found.points) {
      const auto x = static_cast<double>(point.step) / static_cast<double>(scores.num_steps);
      line.x.push_back(x);
      line.y.push_back(point.share.value);
      const bool interval = point.share.kind != espalier::intervals::Kind::none;
      line.low.push_back(interval ? point.share.low : point.share.value);
      line.high.push_back(interval ? point.share.high : point.share.value);
      const auto bound = [&](double value) { return interval ? Value(value) : Value(nullptr); };
      table.rows.push_back({point.step, x, point.variance.value, bound(point.variance.low), bound(point.variance.high), point.share.value,
                            bound(point.share.low), bound(point.share.high), point.states, point.share.count});
    }
    table.caption = fmt::format("{}: the largest step with a share of at most {} is {}.", scores.tag, max_share_, step);
    findings.charts.push_back(std::move(chart));
    findings.tables.push_back(std::move(table));
    return findings;
  }

  double max_share_ = 0.5;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<IntermediateProfile>("intermediate_profile", /*numerics_version=*/1,
                                     "How much of the reward's variance is undecided at each intermediate step, and which step to take.");
}
