#pragma once

#include <memory>

#include "runtime/config/spec.h"

namespace espalier::plan {

// Returns what computes a stage's trajectories: the engine's sampling loop with its sampler, or its noise corrector. It must not outlive
// the stage. Throws InternalError for a stage of another kind.
std::shared_ptr<const TrajectorySource> trajectory_source(const config::StageSpec& stage);

}  // namespace espalier::plan
