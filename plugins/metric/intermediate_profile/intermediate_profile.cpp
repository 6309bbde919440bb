// How much of the reward is decided when t steps remain: E Var(r | X_t) from completions of cached states; and of accepted states how near
// they are to noise, and how far from what the base knows.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plugins/metric/intermediate_profile/accepted_states.h"
#include "plugins/metric/intermediate_profile/profile.h"
#include "plugins/metric/intermediate_profile/recommendation.h"
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
    schema
        .choice(
            "rule", rule_, {"max_share", "product", "sum"},
            "How the step is recommended: the largest with at most max_share, or, with a selection, that with the largest product or mean "
            "of the decided share and the nearness of the accepted states to noise, each from 0 to 1.")
        .unkeyed_default();
  }

  void inputs(espalier::Inputs& in) override {
    in.scores("scores", "Of the sampled trajectories.");
    in.scores("branches", "The same reward of stages that begin at recorded states of these trajectories (input 'start').")
        .many()
        .transitions({espalier::Step(std::int64_t{1})});  // refuses samplers whose steps have no law given the state
    in.selection("selection", "What a filter accepted of these trajectories: how far its states are from noise at each step.").optional();
    in.model("model", "The base, with a selection: how much larger its loss is on accepted states.").of("denoiser").optional();
  }

  void check_inputs(const espalier::PlannedInputs& inputs) const override {
    const auto& scores = inputs.views.at("scores").front();
    if (scores.samples_per_condition < 2) {
      throw ConfigError(fmt::format("{}: '{}' has {} sample for each condition; the variance within a condition needs at least 2", kName,
                                    scores.tag, scores.samples_per_condition));
    }
    const auto selection = inputs.views.find("selection");
    if (selection == inputs.views.end()) {
      if (rule_ != "max_share") {
        throw ConfigError(
            fmt::format("{}: rule = \"{}\" weighs how near accepted states are to noise, and the stage names no selection; name "
                        "a filter's in inputs, or take rule = \"max_share\"",
                        kName, rule_));
      }
      if (inputs.model != nullptr) {
        throw ConfigError(
            fmt::format("{}: the input 'model' is for the loss on accepted states, and the stage names no selection; name a "
                        "filter's in inputs, or leave 'model' out",
                        kName));
      }
    } else {
      check_continuous(selection->second.front());
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
    std::vector<profile::Learnability> accepted;
    double largest = 0.0;  // distance from noise: of the finished samples
    if (input.selection) {
      largest = profile::distance_from_noise(input, 0).value;
      for (const auto& point : found.points) accepted.push_back(profile::learnability(input, *scores.trajectories, point.step));
    }
    return findings(found, accepted, largest, scores);
  }

 private:
  static void check_continuous(const espalier::PlannedView& view) {
    for (const auto& [name, field] : view.codec->spec()) {
      if (c10::isFloatingType(field.dtype)) continue;
      throw ConfigError(
          fmt::format("{}: the states of '{}' have tokens ('{}'), which no Gaussian noise is near to; leave out the input "
                      "'selection'",
                      kName, view.samples, name));
    }
  }

  espalier::Findings findings(const profile::Profile& found, const std::vector<profile::Learnability>& accepted, double largest,
                              const ScoredView& scores) const {
    std::vector<profile::Candidate> candidates;
    for (std::size_t i = 0; i < found.points.size(); ++i) {
      candidates.push_back({.step = found.points[i].step, .share = found.points[i].share.value});
      if (!accepted.empty() && largest > 0.0) candidates.back().distance = accepted[i].distance.value / largest;
    }
    const auto recommendation = profile::recommend(candidates, scores.num_steps, rule_, max_share_);
    const auto step = recommendation.step;
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
    table.caption = fmt::format("{}: recommended is step {} of {}, {}.", scores.tag, step, scores.num_steps, recommendation.reason);
    findings.charts.push_back(std::move(chart));
    findings.tables.push_back(std::move(table));
    if (!accepted.empty()) add_learnability(accepted, candidates, scores, findings);
    return findings;
  }

  static void add_learnability(const std::vector<profile::Learnability>& accepted, const std::vector<profile::Candidate>& candidates,
                               const ScoredView& scores, espalier::Findings& findings) {
    Table table{"accepted_states", {}, {}};
    for (const char* name : {"step", "fraction", "distance_from_noise", "distance_low", "distance_high", "excess_loss", "excess_low",
                             "excess_high", "decided", "nearness", "product", "sum"}) {
      table.columns.push_back({name});
    }
    Chart chart{"choice_of_step", "steps remaining / N", "scaled to [0, 1]"};
    std::map<std::string, Chart::Series> series;
    const auto cell = [](double value) { return std::isfinite(value) ? Value(value) : Value(nullptr); };
    const auto bounded = [](const espalier::intervals::Estimate& estimate, double bound) {
      return estimate.kind == espalier::intervals::Kind::none ? Value(nullptr) : Value(bound);
    };
    for (std::size_t i = 0; i < accepted.size(); ++i) {
      const auto& [step, distance, excess] = accepted[i];
      const auto& candidate = candidates[i];
      const auto x = static_cast<double>(step) / static_cast<double>(scores.num_steps);
      table.rows.push_back({step, x, distance.value, bounded(distance, distance.low), bounded(distance, distance.high), cell(excess.value),
                            bounded(excess, excess.low), bounded(excess, excess.high), candidate.decided(), candidate.nearness(),
                            candidate.product(), candidate.sum()});
      const auto add = [&](const char* name, double y) {
        auto& one = series[name];
        one.name = name;
        one.x.push_back(x);
        one.y.push_back(y);
      };
      add("decided share", candidate.decided());
      add("nearness to noise", candidate.nearness());
      add("product", candidate.product());
      add("mean", candidate.sum());
    }
    table.caption =
        "Of the accepted states: their energy coefficient against a standard normal, the base's excess loss, and both sides of the choice "
        "scaled to [0, 1]: decided = 1 - share, nearness = 1 - distance over that of the finished samples.";
    for (const char* name : {"decided share", "nearness to noise", "product", "mean"}) chart.series.push_back(series.at(name));
    findings.charts.push_back(std::move(chart));
    findings.tables.push_back(std::move(table));
  }

  double max_share_ = 0.5;
  std::string rule_ = "max_share";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<IntermediateProfile>("intermediate_profile", /*numerics_version=*/1,
                                     "How much of the reward's variance is undecided at each intermediate step, and which step to take.");
}
