#pragma once

#include "runtime/plan/requests.h"

namespace espalier::plan {

// Checks that the models that a stage's inputs name have the role and the noise process that the inputs take. `results` has all of these
// models. Throws ConfigError.
void check_models(const config::StageSpec& stage, const Results& results);

// Lets the plugin of a reward, filter, trainer or metric stage check what its inputs will be. `predicted` has the results of earlier
// stages, made or predicted; without the result of an input there is no check. Throws the plugin's error, naming the stage.
void check_inputs(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& predicted);

// A reward whose numbers are those of one set alone (reward.imported) has this set in its identity(): "scored_set", {"set": id, "decoder":
// digest, "count": trajectories}. Throws ConfigError where the samples that it is to score are others, or more. `samples`: their result.
void check_scored_set(const Value& identity, const Result& samples);

}  // namespace espalier::plan
