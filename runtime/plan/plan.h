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

// What one stage needs, and why.
struct StagePlan {
  const config::StageSpec* stage = nullptr;
  Action action = Action::run;
  std::string because;
  std::vector<std::string> pending;  // tags whose results must be made before this stage's key is known
  Value request;                     // what the key is the digest of; empty while pending
  Hex key;
  std::optional<Result> result;       // known before it is made for trajectories and scores; for the rest once the cache has it
  Result unmade;                      // of a selection, model or findings: what is known of it before it is made, without its digest
  std::map<std::string, Hex> inputs;  // what it was planned with: by tag the digest of each input's result

  // Of trajectories and scores: blocks of the view, which of them lack something, and which steps a block must hold.
  std::vector<Phase> phases;
  std::set<std::int64_t> steps;
  std::set<std::int64_t> fresh_steps;  // what a block is to hold that is not there yet
  std::int64_t evaluations_per_sample = 0;
  std::int64_t blocks = 0;
  std::vector<std::uint64_t> missing;
  std::map<std::uint64_t, std::set<std::int64_t>> missing_steps;  // of each missing block
  std::vector<PendingProbe> probes;                               // to be made before any block is used or added

  // The work ahead.
  std::int64_t samples = 0;  // of the view
  std::int64_t samples_to_compute = 0;
  std::int64_t samples_beyond_view = 0;  // of these: a block is computed whole
  std::int64_t network_evaluations = 0;
  std::int64_t bytes = 0;         // to be stored
  std::optional<double> seconds;  // where earlier commit records tell it
};

// "run", "reuse", "probe, then run", "probe, then reuse".
std::string action_text(const StagePlan& plan);

// Plans one stage whose inputs' results are in `results`; a missing one makes it pending. Pure: asks only the index. Throws an Error that
// names the stage.
StagePlan plan_stage(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results, const cache::Index& index);

// Asks the index again, and nothing else, about a stage that is planned: after its work, or later.
void look_up(const config::PipelineSpec& spec, const cache::Index& index, StagePlan& plan);

// Whether a stage's inputs are what it was planned with.
bool is_current(const StagePlan& plan, const Results& results);

// What a stage's work threw as an error, with file, line and the stage's tag before its message where it does not name the stage. What is
// no Error of ours becomes a StageError that names the plugin too. `part`: of the stage, "block 3". A Stopped is thrown on as it is.
Error with_stage_context(const config::StageSpec& stage, const std::exception_ptr& failure, const std::string& part = "");

// The whole pipeline, in the order of the stages, each planned once. One that waits for results is planned, as far as it is known what
// these results will be (predict_result.h), to check it; its plan then says only what it waits for. `folders`: takes the results of the
// model folders that the pipeline names. Throws an Error that names the stage.
std::vector<StagePlan> make(const config::PipelineSpec& spec, const cache::Index& index, Results* folders = nullptr);

// The sampler stage whose trajectories a reward or filter stage is about.
const config::StageSpec& samples_stage(const config::PipelineSpec& spec, const config::StageSpec& stage);

// What stands between a stage and the nearest existing entry of its kind: the fields that differ, old and new. Empty when the entry is
// there or none is.
std::vector<Difference> nearest_differences(const StagePlan& plan, const cache::Index& index);

}  // namespace espalier::plan
