// Mean reward, share of perfect scores and the paired gain over a baseline, each with a 95 % interval over prompts.
#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/bootstrap.h"

namespace {

using espalier::MetricInput;
using espalier::Scalar;
using espalier::ScoredView;
using espalier::StageError;

constexpr double kRounding = 1e-6;  // a perfect score may be a float32 sum of parts

class RewardSummary final : public espalier::Metric {
 public:
  void options(espalier::Schema& schema) override {
    schema.text("reward_name", reward_name_, "Name of the scalar that holds the mean reward.");
    schema.text("gain_name", gain_name_, "Name of the scalar that holds the mean paired difference to the baseline.");
    schema.text("perfect_name", perfect_name_, "Name of the scalar that holds the share of perfect scores.");
    schema.number("perfect_score", perfect_score_, "The least score that counts as perfect.");
    schema.integer("resamples", resamples_, "Bootstrap resamples of the prompts.").at_least(100).at_most(1e6);
  }

  void inputs(espalier::Inputs& in) override {
    in.scores("scores", "The scores to summarise.").many();
    in.scores("baseline", "The scores, of the same prompts, that gains are over.").optional();
  }

  void check_inputs(const espalier::PlannedInputs& inputs) const override {
    const auto baseline = inputs.views.find("baseline");
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
    std::vector<Scalar> result;
    for (const auto& view : scores) {
      result.push_back(mean_over_prompts(reward_name_, view, view.score, input.key));
      result.push_back(perfect_share(view));
      if (baseline != nullptr && baseline->tag != view.tag) {
        result.push_back(mean_over_prompts(gain_name_, view, differences(view, *baseline), input.key));
        result.back().about.baseline = baseline->tag;
      }
    }
    return {.scalars = std::move(result)};
  }

 private:
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
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<RewardSummary>("reward_summary", /*numerics_version=*/2,
                               "Mean reward, share of perfect scores and paired gain over a baseline, with 95 % intervals over prompts.");
}
