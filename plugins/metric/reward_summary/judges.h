#pragma once

#include <string>
#include <vector>

#include "runtime/sdk/metric.h"

namespace espalier::reward_summary {

// A judge scores the samples that a reward scored, with a reward that nothing is selected by. Judge and reward belong together by the
// stage whose samples they score.

// Throws ConfigError where a judge scores samples that neither `scores` nor `baseline` (null: none) is of, where two judges score the same
// samples, where one of these has no judge, and where a judge is one of the scores.
void check_judges(const std::vector<PlannedView>& judges, const std::vector<PlannedView>& scores, const PlannedView* baseline);

// The judge of these samples. Throws StageError where there is none.
const ScoredView* judge_of(const std::string& samples, const std::vector<ScoredView>& judges);

// The sign of reward hacking: the reward's gain over a baseline is above 0 and the judge's is below 0, each with its whole 95 % interval.
// Returns a sentence with both numbers and the stages; "" where the intervals do not prove it.
std::string hacking(const Scalar& gain, const Scalar& judge_gain, const std::string& judge, const std::string& judge_of_baseline);

}  // namespace espalier::reward_summary
