#pragma once

#include "runtime/plan/requests.h"

namespace espalier::plan {

// Asks a reward, filter or metric stage's plugin whether it can work with what its inputs will be. `predicted`: the results of the stages
// before, made or predicted; inputs that are not in it are not known, and nothing is asked. Throws the plugin's error, naming the stage.
void check_views(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& predicted);

}  // namespace espalier::plan
