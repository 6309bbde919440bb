#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "runtime/base/errors.h"
#include "runtime/exec/block_cache.h"
#include "runtime/exec/run.h"
#include "runtime/plan/plan.h"
#include "runtime/sdk/encoding.h"

namespace espalier::exec {

// What every stage's work needs. One per run.
struct Context {
  const config::PipelineSpec& spec;
  cache::Store& store;
  Progress& progress;
  const StopToken& stop;
  const RunOptions& options;
  at::Device device;
  plan::Results results{};  // of the stages done so far

  int threads() const;  // of training and of metrics
  int workers() const;  // of sampling and scoring
  // The model a tag stands for, loaded on the device; kept for the next stage that names it. What was read, not what is remembered of the
  // files, is compared with what was planned: another one throws Quarantined where it lies in the cache, StageError in a user's folder.
  std::shared_ptr<const Model> model(const std::string& tag);
  // The model without its adapter, which all models with an adapter of it share; one that has none is its own.
  std::shared_ptr<const Model> base_of(const std::string& tag);
  void check_stop() const;  // throws Stopped
  StageContext stage_context() const { return {device, &stop, &progress, spec.digests}; }

  plan::Results folders{};                         // of the model folders that the pipeline names: read once a run
  std::map<std::string, plan::StagePlan> plans{};  // of the stages planned so far, by tag
  BlockCache blocks{std::int64_t{1} << 29};
  std::mutex loading{};                           // of models
  std::atomic<std::int64_t> samples_decoded = 0;  // by a model's weights, so far

  std::map<Hex, std::shared_ptr<const Model>> loaded{};                          // by model_identity()
  std::map<std::pair<Hex, std::int64_t>, std::vector<std::int64_t>> excluded{};  // excluded_samples(), by set and size of the view
  std::set<Hex> opened_rewards{};                                                // keys of the scores that an opened reward gives
};

// What tells models apart: equal weights (drawn from one seed, or in a copy of a folder) may be of other networks or processes.
Hex model_identity(const ModelInfo& info);

// Damaged entries were quarantined: the plan must be made again.
struct Quarantined : CacheError {
  using CacheError::CacheError;
};
[[noreturn]] void throw_quarantined(const std::vector<cache::Damage>& damage, const std::string& what);

// The first field in which a model is another one than was expected ("digest is 0a1b.., not 9f86.."); "" where there is none.
std::string difference(const ModelInfo& expected, const ModelInfo& found);

// Throws StageError where the stage's key is another than it was planned to be: a file that its options name, and that it has read since,
// was changed.
void check_unchanged(const Context& context, const plan::StagePlan& plan);

// Throws StageError where a file in which the weights of a model lie that the stage uses is no longer the one that was opened.
void require_unchanged_models(Context& context, const config::StageSpec& stage);

// The published info of a stage's result. Throws Quarantined where it is gone.
Value info_of(const Context& context, const config::StageSpec& stage);

// As set_default_floating_point(), of this thread and of those that LibTorch's parallel loops of this one run on.
void default_floating_point_of_all_threads();

// Calls work(i) for i = 0..count-1 on `workers` threads of one intra-op thread each, each call in C's default
// floating-point environment. The first exception stops the others and is rethrown.
void for_each_parallel(std::size_t count, int workers, const std::function<void(std::size_t)>& work);

double seconds_since(std::chrono::steady_clock::time_point start);

// One stage's work; each publishes what it makes.
struct Work {
  std::int64_t samples = 0;
  std::int64_t network_evaluations = 0;
  double earlier_seconds = 0.0;  // spent by interrupted attempts that this one went on from
};
Work compute_trajectories(Context& context, const plan::StagePlan& plan);
Work compute_scores(Context& context, const plan::StagePlan& plan);
void compute_selection(Context& context, const plan::StagePlan& plan);
Work compute_model(Context& context, const plan::StagePlan& plan);
void compute_findings(Context& context, const plan::StagePlan& plan);

// Numbers of a block computed again here, beside those in the cache.
struct Recomputed {
  std::string what;
  at::Tensor stored, again;  // [rows, ...]; again is undefined where it was not made
};
// Of trajectories, at every step that the block holds, a micro-batch, or the whole block where they are computed by the block; of scores
// the whole block; each by a worker of one thread. Throw Quarantined on damage.
std::vector<Recomputed> recompute_trajectories(Context& context, const plan::StagePlan& plan, std::uint64_t block);
std::vector<Recomputed> recompute_scores(Context& context, const plan::StagePlan& plan, std::uint64_t block);

// Makes the probes that the plan asks for and records them. Gives what came of them, "" when there were none. Throws CacheError where the
// numbers differ by more than the plugin's tolerance.
std::string probe_blocks(Context& context, const plan::StagePlan& plan);

// The scores of a reward stage's view, in index order. Throws Quarantined on damage.
std::vector<double> read_view_scores(Context& context, const std::string& tag);

// The condition of each of the first `count` trajectories that a reward or filter stage is about.
std::vector<std::int64_t> view_conditions(const Context& context, const config::StageSpec& stage, std::int64_t count);

// Publishes a result that is one JSON file.
void publish(Context& context, const plan::StagePlan& plan, Value info, const std::string& file, const Value& content);

// Some steps of a block, just read and verified; views.h keeps what it reads. Throws Quarantined on damage.
cache::Block read_steps(Context& context, const plan::Result& trajectories, std::uint64_t block, const std::set<std::int64_t>& steps);

// Examples of a noise_corrector stage that did not converge. Throws StageError when they are more than allowed.
std::int64_t check_inversion(Context& context, const config::StageSpec& stage);

// What a sampler's randomness comes from, by its option `noise`.
random::StreamKey noise_key(std::uint64_t seed, const std::string& noise);

// The noises of a stage's trajectories as examples to train this model on, in memory: the converged ones of an inversion, the fresh ones of
// a sampler.
std::shared_ptr<const EncodedExamples> recorded_noises(Context& context, const std::string& tag, const Model& model);

// What a metric's stage found. Throws Quarantined on damage.
Findings read_findings(Context& context, const config::StageSpec& stage);

Selection read_selection(Context& context, const plan::Result& selection);

}  // namespace espalier::exec
