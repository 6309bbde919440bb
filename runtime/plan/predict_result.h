#pragma once

#include <optional>

#include "runtime/plan/plan.h"

namespace espalier::plan {

// What a flow trained on a set's noises is for (ModelInfo::corrects). `noises`: the set's result, its model's in `results`.
CorrectedSampling corrects(const config::PipelineSpec& spec, const Result& noises, const Results& results);

// The result that a stage will have, as far as it is known before it is made: all but digests of contents, for which its key stands.
// `plan`: of the stage, made with `inputs`, results or what is predicted of them. None where the plan waits for an input, and of a model
// whose trainer does not tell. Throws what training would, naming the stage.
std::optional<Result> predict_result(const config::PipelineSpec& spec, const StagePlan& plan, const Results& inputs);

}  // namespace espalier::plan
