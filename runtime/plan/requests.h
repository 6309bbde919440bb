#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/config/spec.h"

namespace espalier::plan {

// What is known of a stage's result: enough to identify it, and to make the requests that depend on it.
struct Result {
  ResultKind kind = ResultKind::findings;
  Hex digest;  // what later stages depend on: set id, score id, weights, or the content's digest
  Hex key;     // where the cache keeps it
  // trajectories; scores and selections have those of their trajectories
  Hex set_id;
  std::string samples;     // tag of the sampler stage
  std::int64_t count = 0;  // the view: how many trajectories
  diffusion::Grid grid;
  std::shared_ptr<const Codec> codec;  // of the first model that the stage names
  Value decoder;                       // all that decoding depends on besides the states: Codec::key(), and the weights if it uses them
  // model
  ModelInfo model;
  Hex trainer_state;  // digest of TrainedModel::state; "": none
};

using Results = std::map<std::string, Result>;  // by tag; names of [models] stand for model folders

// Adds the results of the model folders that a stage's inputs name. Throws what opening a folder throws.
void add_folders(const config::PipelineSpec& spec, const config::StageSpec& stage, Results& results);

// Returns the codec of the models that a sampler or noise corrector names. Throws ConfigError unless all of them have the same states and
// decode them alike.
std::shared_ptr<const Codec> codec_of(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);

// Returns the models of a sampler's input, in the order in which they are named.
std::vector<ModelInfo> models_of(const config::StageSpec& stage, const Results& results);

// Return a stage's request: the tree whose digest is its key, made of its options and its inputs' digests. `results` has all inputs. The
// request of trajectories is their recipe, without the recorded steps, the number of samples, paths and names.
Value recipe(const config::PipelineSpec& spec, const config::StageSpec& stage, Direction direction, const std::vector<Phase>& phases,
             const Codec& codec);
Value scores_request(const config::StageSpec& stage, const Results& results);
Value selection_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);
Value model_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);
Value findings_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);
// Returns the request of a stage that gives scores, a selection, a model or findings. Throws InternalError for trajectories.
Value request_of(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results);

}  // namespace espalier::plan
