#pragma once

#include <optional>

#include "runtime/exec/context.h"
#include "runtime/sdk/selected_trajectories.h"

namespace espalier::exec {

// How a sampler stage's trajectories were sampled.
SamplingInfo sampling_info(Context& context, const config::StageSpec& sampler);

// The trajectories that the stage's input `selection` names, or all with a finite score of those that its input `scores` names; none where
// it has neither. Throws StageError where no sample has a finite score.
std::optional<SelectedTrajectories> selected_trajectories(Context& context, const config::StageSpec& stage);

// Those that a filter stage chose.
SelectedTrajectories trajectories_chosen_by(Context& context, const config::StageSpec& filter);

}  // namespace espalier::exec
