#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// Of a stage of trajectories, by one evaluation of each of its models and one decoding, which are thrown away. What is cheap is repeated
// for half a second.
StageProbe measure(Context& context, const plan::StagePlan& plan);

// For a stage of trajectories or of scores as many workers as may be used, but no more than memory is free for, which the progress says. On
// the CPU, for models that cost much, one evaluation or one decoding is measured for it.
int workers_that_fit(Context& context, const plan::StagePlan& plan);

}  // namespace espalier::exec
