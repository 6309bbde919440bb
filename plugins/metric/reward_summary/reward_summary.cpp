// Mean reward, share of perfect scores and the paired gain over a baseline, each with a 95 % interval over prompts; reward and gain also by
// category; a judging reward of the same samples beside them, and a warning where the reward rises while the judge falls.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "plugins/metric/reward_summary/groups.h"
#include "plugins/metric/reward_summary/judges.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/bootstrap.h"

namespace {

using espalier::MetricInput;
using espalier::Scalar;
using espalier::ScoredView;
using espalier::StageError;
using espalier::Value;
using espalier::intervals::ByCondition;
using espalier::intervals::Estimate;
namespace reward_summary = espalier::reward_summary;

constexpr double kRounding = 1e-6;  // a perfect score may be a float32 sum of parts

class RewardSummary final : public espalier::Metric {
 public:
  void options(espalier::Schema& schema) override {
    schema.text("reward_name", reward_name_, "Name of the scalar that holds the mean reward.");
    schema.text("gain_name", gain_name_, "Name of the scalar that holds the mean paired difference to the baseline.");
    schema.text("perfect_name", perfect_name_, "Name of the scalar that holds the share of perfect scores.");
    schema.number("perfect_score", perfect_score_, "The least score that counts as perfect.");
    schema.integer("resamples", resamples_, "Bootstrap resamples of the prompts.").at_least(100).at_most(1e6);
    schema
        .strings("group_by", group_by_,
                 "Keys of the prompts' condition metadata (\"category\"): for each a table of reward and gain by its values.")
        .unkeyed_default();
    schema.text("judge_name", judge_name_, "Name of the scalar that holds the mean score of the judge.").unkeyed_default();
    schema
        .text("judge_gain_name", judge_gain_name_, "Name of the scalar that holds the mean paired difference of the judge to the baseline.")
        .unkeyed_default();
    schema
        .flag("stop_when_hacked", stop_when_hacked_,
              "Whether the run ends where the reward's gain is above 0 and the judge's is below 0, both with their whole intervals.")
        .unkeyed_default();
  }

  void check() const override {
    for (auto key = group_by_.begin(); key != group_by_.end(); ++key) {
      if (std::find(group_by_.begin(), key, *key) == key) continue;
      throw espalier::ConfigError(fmt::format("metric.reward_summary: group_by names '{}' twice", *key));
    }
  }

  void inputs(espalier::Inputs& in) override {
    in.scores("scores", "The scores to summarise.").many();
    in.scores("baseline", "The scores, of the same prompts, that gains are over.").optional();
    in.scores("judge",
              "The scores of a second reward, which nothing is selected by: one of the samples of each of `scores` and of `baseline`.")
        .optional()
        .many();
  }

  void check_inputs(const espalier::PlannedInputs& inputs) const override {
    for (const auto& view : inputs.views.at("scores")) {
      for (const auto& key : group_by_) reward_summary::groups_of(view.metadata, key, view.tag);
    }
    const auto baseline = inputs.views.find("baseline");
    const auto judge = inputs.views.find("judge");
    if (stop_when_hacked_ && (baseline == inputs.views.end() || judge == inputs.views.end())) {
      throw espalier::ConfigError(
          "metric.reward_summary: stop_when_hacked compares gains of the reward and of the judge; name the inputs `baseline` and `judge`");
    }
    if (judge != inputs.views.end()) {
      reward_summary::check_judges(judge->second, inputs.views.at("scores"),
                                   baseline == inputs.views.end() ? nullptr : &baseline->second.front());
    }
    if (baseline == inputs.views.end()) return;
    const auto& base = baseline->second.front();
    for (const auto& view : inputs.views.at("scores")) {
      if (view.size != base.size || view.conditions != base.conditions) {
        throw espalier::ConfigError(other_prompts(view.tag, view.size, base.tag, base.size));
      }
    }
  }

  espalier::Findings measure(const MetricInput& input) const override {
    const auto& scores = input.scores.at("scores");
    const ScoredView* baseline = nullptr;
    if (const auto found = input.scores.find("baseline"); found != input.scores.end() && !found->second.empty()) {
      baseline = &found->second.front();
    }
    const auto judges = input.scores.find("judge");
    const auto judge_of = [&](const ScoredView& view) -> const ScoredView* {
      return judges == input.scores.end() ? nullptr : reward_summary::judge_of(view.samples, judges->second);
    };
    espalier::Findings findings;
    for (const auto& view : scores) {
      findings.scalars.push_back(mean_over_prompts(reward_name_, view, view.score, input.key));
      findings.scalars.push_back(perfect_share(view));
      const auto* judge = judge_of(view);
      if (judge != nullptr) add_of_judge(judge_name_, *judge, judge->score, {.stage = view.tag}, input.key, findings);
      if (baseline == nullptr || baseline->tag == view.tag) continue;
      findings.scalars.push_back(mean_over_prompts(gain_name_, view, differences(view, *baseline), input.key));
      findings.scalars.back().about.baseline = baseline->tag;
      if (judge == nullptr) continue;
      const auto gain = findings.scalars.back();
      const auto* before = judge_of(*baseline);
      add_of_judge(judge_gain_name_, *judge, differences(*judge, *before), gain.about, input.key, findings);
      const auto warning = reward_summary::hacking(gain, findings.scalars.back(), judge->tag, before->tag);
      if (!warning.empty()) findings.warnings.push_back(warning);
    }
    if (stop_when_hacked_) findings.stop = fmt::format("{}", fmt::join(findings.warnings, "; "));
    for (const auto& key : group_by_) findings.tables.push_back(table_by(key, scores, baseline, input.key));
    return findings;
  }

 private:
  // A judge's mean stands beside the reward's: it is about the scores that it judges.
  void add_of_judge(const std::string& name, const ScoredView& judge, const std::vector<double>& value, const espalier::Subject& about,
                    const espalier::random::StreamKey& key, espalier::Findings& findings) const {
    findings.scalars.push_back(mean_over_prompts(name, judge, value, key));
    findings.scalars.back().about = about;
  }

  // A row for each value of the metadata's key and each of the scores.
  espalier::Table table_by(const std::string& key, const std::vector<ScoredView>& scores, const ScoredView* baseline,
                           const espalier::random::StreamKey& draws) const {
    std::vector<std::vector<std::string>> groups;  // of each of the scores, of each condition
    for (const auto& view : scores) groups.push_back(reward_summary::groups_of(view.metadata, key, view.tag));
    espalier::Table table;
    table.name = reward_name_ + "_by_" + key;
    table.columns = {{key}, {"scores"}, {"conditions"}, {"samples"}};
    const auto add_columns = [&](const std::string& name) {
      for (const char* bound : {"", "_low", "_high"}) table.columns.push_back({name + bound});
    };
    add_columns(reward_name_);
    if (baseline != nullptr) add_columns(gain_name_);
    table.caption =
        fmt::format("By '{}' of the prompts' metadata, with 95 % intervals over prompts (bootstrap; none of a single prompt).", key);
    for (const auto& group : reward_summary::distinct(groups)) {
      for (std::size_t i = 0; i < scores.size(); ++i) {
        const auto& view = scores[i];
        const auto of_group = [&](const std::vector<double>& value) {
          return reward_summary::of_group(group, groups[i], value, view.condition);
        };
        if (std::ranges::find(groups[i], group) == groups[i].end()) continue;
        const auto reward = of_group(view.score);
        const auto samples = std::accumulate(reward.count.begin(), reward.count.end(), 0.0);
        Value::List row{group.empty() ? Value(nullptr) : Value(group), view.tag, std::ssize(reward.sum),
                        static_cast<std::int64_t>(samples)};
        add_cells(reward, draws, row);
        if (baseline != nullptr) add_cells(baseline->tag == view.tag ? ByCondition{} : of_group(differences(view, *baseline)), draws, row);
        table.rows.push_back(std::move(row));
      }
    }
    return table;
  }

  // Mean and bounds; empty cells where there is no value, or no interval.
  void add_cells(const ByCondition& data, const espalier::random::StreamKey& draws, Value::List& row) const {
    const auto estimate =
        data.sum.empty() ? Estimate{Scalar::kNone, Scalar::kNone, Scalar::kNone} : espalier::intervals::mean(data, draws, resamples_);
    for (const double number : {estimate.value, estimate.low, estimate.high}) {
      row.push_back(std::isfinite(number) ? Value(number) : Value(nullptr));
    }
  }

  Scalar mean_over_prompts(const std::string& name, const ScoredView& view, const std::vector<double>& value,
                           const espalier::random::StreamKey& key) const {
    const auto grouped = by_prompt(name, view, value);
    return espalier::to_scalar(name, espalier::intervals::mean(grouped, key, resamples_), {.stage = view.tag});
  }

  static espalier::intervals::ByCondition by_prompt(const std::string& name, const ScoredView& view, const std::vector<double>& value) {
    auto grouped = espalier::intervals::group(value, view.condition);
    if (grouped.sum.empty()) {
      throw StageError(fmt::format("metric.reward_summary: '{}' of '{}' has no finite value among {}", name, view.tag, value.size()));
    }
    return grouped;
  }

  Scalar perfect_share(const ScoredView& view) const {
    std::vector<double> perfect;
    for (const double score : view.score) {
      perfect.push_back(std::isfinite(score) ? (score >= perfect_score_ - kRounding ? 1.0 : 0.0) : score);
    }
    const auto grouped = by_prompt(perfect_name_, view, perfect);
    if (grouped.sum.size() < 2) return espalier::to_scalar(perfect_name_, grouped.mean(), {.stage = view.tag});
    return espalier::to_scalar(perfect_name_, espalier::intervals::share_of_clusters(grouped.sum, grouped.count), {.stage = view.tag});
  }

  static std::string other_prompts(const std::string& tag, std::int64_t size, const std::string& baseline, std::int64_t baseline_size) {
    return fmt::format(
        "metric.reward_summary: '{}' ({} scores) and the baseline '{}' ({} scores) are not of the same prompts in the same order; sample "
        "both with the same split, max_conditions and samples_per_condition",
        tag, size, baseline, baseline_size);
  }

  // Sample i against the baseline's sample i: the same prompt, and the same noise where both were sampled with one seed.
  static std::vector<double> differences(const ScoredView& view, const ScoredView& baseline) {
    if (view.condition != baseline.condition || view.conditions != baseline.conditions) {
      throw StageError(other_prompts(view.tag, std::ssize(view.score), baseline.tag, std::ssize(baseline.score)));
    }
    std::vector<double> result;
    for (std::size_t i = 0; i < view.score.size(); ++i) {
      result.push_back(view.score[i] - baseline.score[i]);
    }
    return result;
  }

  std::string reward_name_ = "reward";
  std::string gain_name_ = "gain";
  std::string perfect_name_ = "perfect_share";
  double perfect_score_ = 1.0;
  std::int64_t resamples_ = 2000;
  std::vector<std::string> group_by_;
  std::string judge_name_ = "judge_reward";
  std::string judge_gain_name_ = "judge_gain";
  bool stop_when_hacked_ = false;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<RewardSummary>("reward_summary", /*numerics_version=*/2,
                               "Mean reward, share of perfect scores and paired gain over a baseline, with 95 % intervals over prompts; "
                               "also by category, and beside a "
                               "judging reward.");
}
