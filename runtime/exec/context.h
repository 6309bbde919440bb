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

// What computing one stage took.
struct Work {
  std::int64_t samples = 0;
  std::int64_t network_evaluations = 0;
  std::int64_t samples_decoded = 0;                  // with a model's weights
  double earlier_seconds = 0.0;                      // spent by interrupted attempts that this one resumed
  double seconds = 0.0;                              // spent now
  std::chrono::steady_clock::time_point begun = {};  // of blocks: when the first was begun
};

// What every stage's work uses. One per run.
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
  // The model that a tag names, loaded on the device and kept for later stages. The model that was read, not a remembered digest of its
  // files, is compared with the planned one. Throws Quarantined for damage in the cache, StageError for another model than planned.
  std::shared_ptr<const Model> model(const std::string& tag);
  // The model without its adapter; all models with adapters of one base share it. A model without an adapter is its own base.
  std::shared_ptr<const Model> base_of(const std::string& tag);
  void check_stop() const;  // throws Stopped
  StageContext stage_context() const { return {device, &stop, &progress, spec.digests}; }

  plan::Results folders{};                         // of the model folders that the pipeline names, read once per run
  std::map<std::string, plan::StagePlan> plans{};  // of the stages planned so far, by tag
  BlockCache blocks{std::int64_t{1} << 29};
  std::mutex loading{};                           // held while models are loaded
  std::atomic<std::int64_t> samples_decoded = 0;  // with a model's weights, so far

  std::map<Hex, std::shared_ptr<const Model>> loaded{};                          // by model_identity()
  std::map<std::pair<Hex, std::int64_t>, std::vector<std::int64_t>> excluded{};  // excluded_samples(), by set and size of the view
  std::set<Hex> opened_rewards{};                                                // digests of (tag, key) of the opened reward stages
  std::map<std::string, Work> scored_ahead{};  // of reward stages whose blocks were scored while they were sampled, by tag
};

// Identifies a model: models with equal weights (drawn from one seed, or in a copy of a folder) may have different networks or processes.
Hex model_identity(const ModelInfo& info);

// Damaged entries were quarantined; the plan must be made again.
struct Quarantined : CacheError {
  using CacheError::CacheError;
};
[[noreturn]] void throw_quarantined(const std::vector<cache::Damage>& damage, const std::string& what);

// Describes the first field in which a model differs from the expected one ("digest is 0a1b.., not 9f86.."); "" if none does.
std::string difference(const ModelInfo& expected, const ModelInfo& found);

// Throws StageError if the stage's key is no longer the planned one, because a file that its options name and that it has read since was
// changed.
void check_unchanged(const Context& context, const plan::StagePlan& plan);

// Throws StageError if a weights file of a model that the stage uses is no longer the file that was opened.
void require_unchanged_models(Context& context, const config::StageSpec& stage);

// Returns the published info of a stage's result. Throws Quarantined if it is gone.
Value info_of(const Context& context, const config::StageSpec& stage);

// Like set_default_floating_point(), for this thread and the threads on which LibTorch runs its parallel loops.
void default_floating_point_of_all_threads();

// Calls work(i) for i = 0..count-1 on `workers` threads of one intra-op thread each, each call in C's default
// floating-point environment. The first exception stops the others and is rethrown.
void for_each_parallel(std::size_t count, int workers, const std::function<void(std::size_t)>& work);

double seconds_since(std::chrono::steady_clock::time_point start);

// Each function computes and publishes a stage's result; blocks.h has those of trajectories and scores.
void compute_selection(Context& context, const plan::StagePlan& plan);
Work compute_model(Context& context, const plan::StagePlan& plan);
void compute_findings(Context& context, const plan::StagePlan& plan);

// Numbers of a block in the cache, and the same numbers computed again here.
struct Recomputed {
  std::string what;
  at::Tensor stored, again;  // [rows, ...]; `again` is undefined if the field was not computed
};
// Compute part of a block again on one thread: of trajectories the first micro-batch, or the whole block if the plugin computes whole
// blocks, at every step that the block holds; of scores the whole block. Throw Quarantined on damage.
std::vector<Recomputed> recompute_trajectories(Context& context, const plan::StagePlan& plan, std::uint64_t block);
std::vector<Recomputed> recompute_scores(Context& context, const plan::StagePlan& plan, std::uint64_t block);

// Makes and records the probes of the plan. Returns their outcome in words, "" if there were none. Throws CacheError if numbers differ by
// more than the plugin's tolerance.
std::string probe_blocks(Context& context, const plan::StagePlan& plan);

// Returns the scores of a reward stage's view, in index order. Throws Quarantined on damage.
std::vector<double> read_view_scores(Context& context, const std::string& tag);

// Returns the condition of each of the first `count` trajectories that a reward stage scores or a filter stage selects from.
std::vector<std::int64_t> view_conditions(const Context& context, const config::StageSpec& stage, std::int64_t count);

// Publishes a result that is one JSON file.
void publish(Context& context, const plan::StagePlan& plan, Value info, const std::string& file, const Value& content);

// Reads and verifies some steps of a block; unlike views.h, keeps nothing in memory. Throws Quarantined on damage.
cache::Block read_steps(Context& context, const plan::Result& trajectories, std::uint64_t block, const std::set<std::int64_t>& steps);

// Returns the number of examples of a noise_corrector stage that did not converge. Throws StageError if they are more than allowed.
std::int64_t check_inversion(Context& context, const config::StageSpec& stage);

// Returns the random stream of a sampler, by its seed, its option `noise` and, of one that begins at recorded states, its `branch`.
random::StreamKey noise_key(const config::StageSpec& sampler);

// Returns the noises of a stage's trajectories as examples to train this model on, in memory: the converged ones of an inversion, or those
// that a sampler started from.
std::shared_ptr<const EncodedExamples> recorded_noises(Context& context, const std::string& tag, const Model& model);

// Returns a metric stage's findings. Throws Quarantined on damage.
Findings read_findings(Context& context, const config::StageSpec& stage);

// Shows the warnings of a finished metric stage, a line each, and why it ends the run if it does. Returns that reason, "" of others.
std::string show_warnings(Context& context, const config::StageSpec& stage);

Selection read_selection(Context& context, const plan::Result& selection);

}  // namespace espalier::exec
