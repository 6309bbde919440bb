#pragma once

#include <string>

#include "runtime/exec/context.h"

namespace espalier::exec {

// Makes the whole plan, so that an error anywhere in it is reported before the first stage runs. Keeps the plans of stages that are not
// pending.
void plan_all(Context& context);

// Returns a stage's plan. It is planned once; later calls only look it up in the cache again.
plan::StagePlan& plan_here(Context& context, const config::StageSpec& stage);

// Computes a stage. Errors name it. With a stage of trajectories or scores it also computes the stages that score the same trajectories and
// whose other inputs exist, block by block: a block is scored, by all of them, soon after it was sampled, and decoded once. Their work goes
// to Context::scored_ahead.
Work compute_with_context(Context& context, const plan::StagePlan& plan);

std::string probe_with_context(Context& context, const plan::StagePlan& plan);

}  // namespace espalier::exec
