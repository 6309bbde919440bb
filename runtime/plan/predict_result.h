#pragma once

#include <optional>

#include "runtime/plan/plan.h"

namespace espalier::plan {

// Returns the sampling that a flow trained on a set's noises corrects (ModelInfo::corrects). `noises` is the set's result;
// `results` has that of the set's model.
CorrectedSampling corrects(const config::PipelineSpec& spec, const Result& noises, const Results& results);

// Returns the result that a stage will have: all but the digests of its content, in whose place is its key. `plan` is the stage's plan,
// made with `inputs`, which are results or predictions of them. Returns none if the plan waits for an input, or if the trainer cannot
// predict its model. Throws what training would, naming the stage.
std::optional<Result> predict_result(const config::PipelineSpec& spec, const StagePlan& plan, const Results& inputs);

}  // namespace espalier::plan
