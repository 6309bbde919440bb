#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/exec/context.h"

// Trajectories that are not finite. A sampling stage stops at the first, or (max_nonfinite_fraction) keeps them, marked by NaN in x_0. Such
// a sample is excluded: counted, and never decoded, scored or selected.
namespace espalier::exec {

// Follows the trajectories of one micro-batch, whose first one has the index `first`.
class FiniteWatch {
 public:
  FiniteWatch(std::uint64_t first, bool may_exclude) : first_(first), may_exclude_(may_exclude) {}
  // The state at a recorded step: of a trajectory that was not finite here or at a step before, NaN. Throws StageError at the first such
  // trajectory where none may be excluded.
  State watch(const diffusion::GridPoint& point, const State& state);

 private:
  std::uint64_t first_;
  bool may_exclude_;
  at::Tensor lost_;  // [B] bool, once there is one
};

// The excluded trajectories of a sampler or noise_corrector stage's view, ascending. Throws Quarantined on damage.
const std::vector<std::int64_t>& excluded_samples(Context& context, const std::string& tag);

// Says how many samples of a sampler stage's view are excluded. Throws StageError when they are more than allowed.
std::int64_t check_excluded(Context& context, const config::StageSpec& stage);

}  // namespace espalier::exec
