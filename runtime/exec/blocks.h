#pragma once

#include <functional>
#include <optional>

#include "runtime/exec/context.h"
#include "runtime/exec/excluded.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {

// Keeps copies, on the CPU, of the steps that a block is to hold; checks all that is recorded.
class KeepSteps final : public Recorder {
 public:
  KeepSteps(const std::set<std::int64_t>& wanted, RecordCheck check, std::optional<FiniteWatch> watch = std::nullopt)
      : wanted_(wanted), check_(std::move(check)), watch_(std::move(watch)) {}
  void record(const diffusion::GridPoint& point, const State& state) override;
  // By steps remaining. Throws PluginError when a step was not recorded, StageError when the grid has no step that is wanted.
  const std::map<std::int64_t, cache::Block::Recorded>& kept() const;

 private:
  const std::set<std::int64_t>& wanted_;
  RecordCheck check_;
  std::optional<FiniteWatch> watch_;
  std::map<std::int64_t, cache::Block::Recorded> kept_;
};

// The steps that the cache holds of a block. Throws Quarantined when it has none.
std::set<std::int64_t> recorded_steps(Context& context, const plan::StagePlan& plan, std::uint64_t block);

// The first `rows` rows of a stored block, each field at each step, beside the same computed again.
std::vector<Recomputed> compare(const cache::Block& stored, const std::map<std::int64_t, cache::Block::Recorded>& again, std::int64_t rows);

// The largest absolute difference over the largest absolute value stored. Equal numbers, NaN among them, differ by 0. Infinite where the
// shapes or types differ, where what is not finite stands beside another number, and where all that is stored is 0 and something else is
// not.
double relative_difference(const Recomputed& numbers);

// One block that a worker has computed, and how it goes into the cache.
struct ComputedBlock {
  std::int64_t network_evaluations = 0;
  std::function<void(const cache::Provenance&)> publish;
};

// Computes and publishes this shard's missing blocks of trajectories or scores, each by one of `workers`. `compute` advances the
// progress, which counts in `noun`. A block that fails is named with its error; no other is begun then, and what runs already is finished
// and published before the first error is thrown. A stop, and what is wrong with the cache, are thrown as they are.
Work compute_blocks(Context& context, const plan::StagePlan& plan, const std::string& noun, int workers,
                    const std::function<ComputedBlock(std::uint64_t block)>& compute);

}  // namespace espalier::exec
