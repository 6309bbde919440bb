#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// Keeps copies, on the CPU, of the steps that a block is to hold.
class KeepSteps final : public Recorder {
 public:
  explicit KeepSteps(const std::set<std::int64_t>& wanted) : wanted_(wanted) {}
  void record(const diffusion::GridPoint& point, const State& state) override;
  // By steps remaining. Throws StageError when a wanted one was never recorded.
  const std::map<std::int64_t, cache::Block::Recorded>& kept() const;

 private:
  const std::set<std::int64_t>& wanted_;
  std::map<std::int64_t, cache::Block::Recorded> kept_;
};

std::vector<std::uint64_t> of_shard(const std::vector<std::uint64_t>& blocks, const Shard& shard);

}  // namespace espalier::exec
