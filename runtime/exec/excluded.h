#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/exec/context.h"

// Trajectories that are not finite. A sampling stage stops at the first one, or with max_nonfinite_fraction keeps them, marked by NaN in
// x_0. Such a sample is excluded: it is counted, and never decoded, scored or selected.
namespace espalier::exec {

// Watches the trajectories of one micro-batch; `first` is the index of the first.
class FiniteWatch {
 public:
  FiniteWatch(std::uint64_t first, bool may_exclude) : first_(first), may_exclude_(may_exclude) {}
  // Returns the state at a recorded step, with NaN for trajectories that are not finite at this or an earlier step. Throws StageError at
  // the first such trajectory if none may be excluded.
  State watch(const diffusion::GridPoint& point, const State& state);

 private:
  std::uint64_t first_;
  bool may_exclude_;
  at::Tensor lost_;  // [B] bool: trajectories that are not finite; undefined while there are none
};

// Returns the indices of the excluded trajectories of a sampler or noise_corrector stage's view, ascending. Throws Quarantined on damage.
const std::vector<std::int64_t>& excluded_samples(Context& context, const std::string& tag);

// Returns and reports how many samples of a sampler stage's view are excluded. Throws StageError if they are more than allowed.
std::int64_t check_excluded(Context& context, const config::StageSpec& stage);

}  // namespace espalier::exec
