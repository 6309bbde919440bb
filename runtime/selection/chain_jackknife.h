#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/selection/chain.h"
#include "runtime/selection/measured_law.h"

namespace espalier::selection {

inline constexpr std::int64_t kFewestJackknifed = 16, kMostJackknifed = 128;  // samples of a condition; the work grows with the square

// What is added to the KL and E[u] of a redrawn law against the bias of a condition's few samples in place of its law: the delete-one
// jackknife's (n - 1)(t - mean of t without a sample), t estimated by redrawing. The redraws in which a sample does not occur are those of
// the condition without it (Efron, JRSS B 54, 1992), so that one series of redraws serves all. Averaged over conditions, by what they
// accept; of many conditions a part that is spread over all of them is redrawn.
//
// None where a filter of the chain lets conditions compete, or fewer than half of the conditions have 16 to 128 samples.
struct ChainCorrection {
  Correction add;
  std::int64_t conditions = 0;  // that it was estimated from
};
std::optional<ChainCorrection> chain_correction(const std::vector<Link>& chain);

}  // namespace espalier::selection
