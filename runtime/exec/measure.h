#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// Measures a stage that computes trajectories by one evaluation of each of its models and one decoding, whose results are discarded. Cheap
// calls are repeated for half a second.
StageProbe measure(Context& context, const plan::StagePlan& plan);

// Returns the number of workers for a stage of trajectories or scores: as many as may be used and free memory allows; reports if memory
// reduces it. On the CPU, for costly models, measures one evaluation or one decoding for this.
int workers_that_fit(Context& context, const plan::StagePlan& plan);

}  // namespace espalier::exec
