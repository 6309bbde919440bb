#include "plugins/metric/reward_summary/judges.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::reward_summary {
namespace {

std::string quoted(const std::vector<std::string>& tags) { return fmt::format("'{}'", fmt::join(tags, "', '")); }

}  // namespace

void check_judges(const std::vector<PlannedView>& judges, const std::vector<PlannedView>& scores, const PlannedView* baseline) {
  auto scored = scores;
  if (baseline != nullptr) scored.push_back(*baseline);
  std::vector<std::string> samples;
  for (const auto& view : scored) samples.push_back(view.samples);
  std::vector<std::string> judged;
  for (const auto& judge : judges) {
    if (std::ranges::any_of(scored, [&](const auto& view) { return view.tag == judge.tag; })) {
      throw ConfigError(
          fmt::format("metric.reward_summary: the judge '{}' is one of the scores; name another reward of the same samples", judge.tag));
    }
    if (std::ranges::find(samples, judge.samples) == samples.end()) {
      throw ConfigError(fmt::format("metric.reward_summary: the judge '{}' scores the samples of '{}', but scores and baseline are of {}",
                                    judge.tag, judge.samples, quoted(samples)));
    }
    if (std::ranges::find(judged, judge.samples) != judged.end()) {
      throw ConfigError(
          fmt::format("metric.reward_summary: two judges score the samples of '{}'; name one for each of the scores", judge.samples));
    }
    judged.push_back(judge.samples);
  }
  for (const auto& view : scored) {
    if (std::ranges::find(judged, view.samples) != judged.end()) continue;
    throw ConfigError(fmt::format(
        "metric.reward_summary: no judge scores the samples of '{}', which '{}' is of; name one judge for each of the scores and one for "
        "the baseline",
        view.samples, view.tag));
  }
}

const ScoredView* judge_of(const std::string& samples, const std::vector<ScoredView>& judges) {
  const auto found = std::ranges::find(judges, samples, &ScoredView::samples);
  if (found == judges.end()) throw StageError(fmt::format("metric.reward_summary: no judge scores the samples of '{}'", samples));
  return &*found;
}

std::string hacking(const Scalar& gain, const Scalar& judge_gain, const std::string& judge, const std::string& judge_of_baseline) {
  if (!(gain.low > 0.0 && judge_gain.high < 0.0)) return "";  // false of NaN: without an interval nothing is proved
  return fmt::format(
      "the sign of reward hacking: '{}' gained {:.4g} [{:.4g}, {:.4g}] over '{}', while the judge '{}' lost {:.4g} [{:.4g}, {:.4g}] "
      "against '{}'",
      gain.about.stage, gain.value, gain.low, gain.high, gain.about.baseline, judge, -judge_gain.value, -judge_gain.high, -judge_gain.low,
      judge_of_baseline);
}

}  // namespace espalier::reward_summary
