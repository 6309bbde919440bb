#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/config/spec.h"

namespace espalier::plan {

// What is known of a stage's result: enough to name it, and to ask for what depends on it.
struct Result {
  ResultKind kind = ResultKind::findings;
  Hex digest;  // what a stage below depends on: set id, score id, weights, or the content's digest
  Hex key;     // where the cache keeps it
  // trajectories, and carried on by scores and selections made of them
  Hex set_id;
  std::string samples;     // tag of the sampler stage
  std::int64_t count = 0;  // the view: how many trajectories
  diffusion::Grid grid;
  std::shared_ptr<const Codec> codec;  // of the model that they were sampled or inverted with, the first that the stage names
  Value decoder;                       // all that decoding depends on besides the states: Codec::key(), and the weights where it uses them
  // model
  ModelInfo model;
  Hex trainer_state;  // of what its trainer handed on (TrainedModel::state); "" nothing
};

using Results = std::map<std::string, Result>;  // by tag; the names of [models] are model folders

// Adds the results of the model folders that a stage's inputs name. Throws what opening the folder does.
void add_folders(const config::PipelineSpec& spec, const config::StageSpec& stage, Results& results);

// The codec of the models that a sampler or noise corrector names, whose states are the same. Throws ConfigError where they are not.
std::shared_ptr<const Codec> codec_of(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);

// The models of a sampler's input, in the order they were named.
std::vector<ModelInfo> models_of(const config::StageSpec& stage, const Results& results);

// The tree that a stage's key is the digest of, from its options and its inputs' digests. All inputs are in `results`.
//   trajectories: the recipe. Which steps are recorded, how many samples, paths and names are not in it.
Value recipe(const config::PipelineSpec& spec, const config::StageSpec& stage, Direction direction, const std::vector<Phase>& phases,
             const Codec& codec);
Value scores_request(const config::StageSpec& stage, const Results& results);
Value selection_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);
Value model_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);
Value findings_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);
// That of a stage by what it gives: scores, a selection, a model or findings.
Value request_of(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);

}  // namespace espalier::plan
