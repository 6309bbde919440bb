#pragma once

#include "runtime/plan/plan.h"

namespace espalier::plan {

// Fill in the work ahead: for trajectories network evaluations and bytes; for both the seconds of one worker (a run uses several), if the
// cache has commit records of networks of the same architecture, or of blocks of these scores.
void estimate_trajectories(std::int64_t evaluations, const cache::Index& index, StagePlan& plan);
void estimate_scores(const std::map<std::uint64_t, cache::CommitInfo>& have, StagePlan& plan);

}  // namespace espalier::plan
