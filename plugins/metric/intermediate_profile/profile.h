#pragma once

#include <cstdint>
#include <vector>

#include "runtime/random/draws.h"
#include "runtime/selection/intervals.h"

namespace espalier::intermediate_profile {

// The rewards of the same states' completions: row i of each is a completion of state i.
struct Completions {
  std::int64_t step = 0;                         // steps remaining of the states
  std::vector<std::vector<double>> reward = {};  // [B][N], B >= 2; NaN and infinities are left out
};

struct Point {
  std::int64_t step = 0;
  std::int64_t states = 0;       // that have at least two finite completions
  intervals::Estimate variance;  // E Var(r | X_t): the mean over states of the variance (ddof 1) of their completions
  intervals::Estimate share;     // of the variance within a condition
};

struct Profile {
  intervals::Estimate within;  // Var(r) within a condition: the mean over conditions of the samples' variance (ddof 1)
  std::vector<Point> points;   // by step, ascending
};

// The profile of samples with these rewards and conditions, whose states were completed again. All means are over conditions (prompts),
// each a mean over its own states; intervals are bootstraps of the conditions. E Var(r | X_t) is unbiased where the completions of a state
// are independent given the state. Throws StageError where no condition has two samples with a finite reward, or no state of a step has two
// finite completions.
Profile profile_of(const std::vector<double>& reward, const std::vector<std::int64_t>& condition,
                   const std::vector<Completions>& completions, const random::StreamKey& key);

}  // namespace espalier::intermediate_profile
