#pragma once

#include <exception>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/cache/index.h"
#include "runtime/plan/probes.h"
#include "runtime/plan/requests.h"

namespace espalier::plan {

enum class Action { run, reuse };

// What a run does for one stage, and why.
struct StagePlan {
  const config::StageSpec* stage = nullptr;
  Action action = Action::run;
  std::string because;
  std::vector<std::string> pending;  // tags whose results must be made before this stage's key is known
  Value request;                     // what the key is the digest of; empty while pending
  Hex key;
  std::optional<Result> result;       // trajectories and scores: known before they are made; others: once the cache has them
  Result unmade;                      // selection, model, findings: what is known before it is made; without a digest
  std::map<std::string, Hex> inputs;  // the digest of each input's result that the stage was planned with, by tag

  // For trajectories and scores: the view's blocks, those that are incomplete, and the steps that a block must hold.
  std::vector<Phase> phases;
  std::set<std::int64_t> steps;
  std::set<std::int64_t> fresh_steps;  // those that a new block gets: `steps` and the default ones
  std::int64_t evaluations_per_sample = 0;
  std::int64_t blocks = 0;
  std::vector<std::uint64_t> missing;
  std::map<std::uint64_t, std::set<std::int64_t>> missing_steps;  // of each missing block
  std::vector<PendingProbe> probes;                               // due before any block is used or added

  // The work ahead.
  std::int64_t samples = 0;  // of the view
  std::int64_t samples_to_compute = 0;
  std::int64_t samples_beyond_view = 0;  // of these, because blocks are computed whole
  std::int64_t network_evaluations = 0;
  std::int64_t bytes = 0;         // to be stored
  std::optional<double> seconds;  // if earlier commit records show the cost
};

// "run", "reuse", "probe, then run", "probe, then reuse".
std::string action_text(const StagePlan& plan);

// Plans one stage from the results of its inputs; if one is missing in `results`, the plan is pending. Pure: reads only the index. Throws
// an Error that names the stage.
StagePlan plan_stage(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results, const cache::Index& index);

// Looks a planned stage up in the index again, after its work or later; does not plan it again.
void look_up(const config::PipelineSpec& spec, const cache::Index& index, StagePlan& plan);

// Returns whether the results of a stage's inputs are those that it was planned with.
bool is_current(const StagePlan& plan, const Results& results);

// Returns what a stage's work threw, with file, line and the stage's tag before the message unless the message names the stage. An
// exception that is not an Error becomes a StageError that also names the plugin. `part`: a part of the stage, "block 3". Rethrows a
// Stopped unchanged.
Error with_stage_context(const config::StageSpec& stage, const std::exception_ptr& failure, const std::string& part = "");

// Plans the whole pipeline, in the order of the stages, each once. A stage that waits for results is checked by planning it with predicted
// results (predict_result.h), if they are known; its plan then holds only what it waits for. `folders` receives the results of the model
// folders that the pipeline names. Throws an Error that names the stage.
std::vector<StagePlan> make(const config::PipelineSpec& spec, const cache::Index& index, Results* folders = nullptr);

// Returns the sampler stage whose trajectories a reward stage scores or a filter stage selects.
const config::StageSpec& samples_stage(const config::PipelineSpec& spec, const config::StageSpec& stage);

// Returns the fields in which a stage's request differs from the most similar one of its kind in the cache, old and new. Empty if the cache
// has the stage's entry, or none of its kind.
std::vector<Difference> nearest_differences(const StagePlan& plan, const cache::Index& index);

}  // namespace espalier::plan
