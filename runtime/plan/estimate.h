#pragma once

#include "runtime/plan/plan.h"

namespace espalier::plan {

// Fill in the work ahead: samples, network evaluations, bytes, and seconds where commit records of the same network tell what an evaluation
// costs here (seconds of one worker; a run uses several).
void estimate_trajectories(std::int64_t evaluations, const cache::Index& index, StagePlan& plan);
void estimate_scores(const std::map<std::uint64_t, cache::CommitInfo>& have, StagePlan& plan);

}  // namespace espalier::plan
