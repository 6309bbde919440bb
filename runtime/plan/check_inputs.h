#pragma once

#include "runtime/plan/requests.h"

namespace espalier::plan {

// Compares the models that a stage's inputs name with what these inputs take: role and noise process. All of them are in `results`. Throws
// ConfigError.
void check_models(const config::StageSpec& stage, const Results& results);

// Asks a reward, filter or metric stage's plugin whether it can work with what its inputs will be. `predicted`: the results of the stages
// before, made or predicted; inputs that are not in it are not known, and nothing is asked. Throws the plugin's error, naming the stage.
void check_inputs(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& predicted);

}  // namespace espalier::plan
