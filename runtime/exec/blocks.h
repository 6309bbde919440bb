#pragma once

#include <functional>
#include <optional>

#include "runtime/exec/context.h"
#include "runtime/exec/excluded.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {

// Checks every recorded state, and keeps copies, on the CPU, of those at the steps that a block must hold.
class KeepSteps final : public Recorder {
 public:
  KeepSteps(const std::set<std::int64_t>& wanted, RecordCheck check, std::optional<FiniteWatch> watch = std::nullopt)
      : wanted_(wanted), check_(std::move(check)), watch_(std::move(watch)) {}
  void record(const diffusion::GridPoint& point, const State& state) override;
  // By steps remaining. Throws PluginError if a grid point was not recorded, StageError if a step to keep is not in the grid.
  const std::map<std::int64_t, cache::Block::Recorded>& kept() const;

 private:
  const std::set<std::int64_t>& wanted_;
  RecordCheck check_;
  std::optional<FiniteWatch> watch_;
  std::map<std::int64_t, cache::Block::Recorded> kept_;
};

// Returns the steps of a block that the cache holds. Throws Quarantined if it does not have the block.
std::set<std::int64_t> recorded_steps(Context& context, const plan::StagePlan& plan, std::uint64_t block);

// Pairs each field at each step of a stored block's first `rows` rows with the same field computed again.
std::vector<Recomputed> compare(const cache::Block& stored, const std::map<std::int64_t, cache::Block::Recorded>& again, std::int64_t rows);

// Returns the largest absolute difference divided by the largest absolute stored value. Two equal numbers or two NaN differ by 0. Infinite
// if shapes or types differ, if a number that is not finite meets another number, or if all stored numbers are 0 and one of the others is
// not.
double relative_difference(const Recomputed& numbers);

// A block that a worker has computed; `publish` writes it into the cache.
struct ComputedBlock {
  std::int64_t network_evaluations = 0;
  std::int64_t samples_decoded = 0;
  std::function<void(const cache::Provenance&)> publish;
};

// One stage of trajectories or scores, ready to compute its missing blocks.
struct BlockWork {
  const plan::StagePlan* plan = nullptr;
  int own_threads = 0;  // 0: the run's workers compute its blocks; n > 0: n threads that compute no other stage's
  int workers = 1;      // how many of the run's workers its memory allows
  std::function<ComputedBlock(std::uint64_t block)> compute = {};  // advances the progress
};
BlockWork trajectory_work(Context& context, const plan::StagePlan& plan);
BlockWork score_work(Context& context, const plan::StagePlan& plan);

// Computes and publishes this shard's missing blocks of the stages, which are the first stage and stages that score the same trajectories.
// Scores of a block that the first stage samples begin once the cache has it. Returns each stage's work. The error of a block names it.
// After an error of a stage of trajectories no block is begun; a stage of scores goes on until its third failed block. Blocks in progress
// are finished and published before the first error is thrown. Stopped and CacheError end all stages and are rethrown unchanged.
std::vector<Work> compute_blocks(Context& context, const std::vector<BlockWork>& stages);

// Returns this shard's part of the blocks.
std::vector<std::uint64_t> of_shard(const std::vector<std::uint64_t>& blocks, const Shard& shard);

}  // namespace espalier::exec
