#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/tensor/state.h"

namespace espalier::ddpo {

// The newest rewards of each condition over all rounds, oldest first. A condition is named by the digest of all that it consists of, so
// that it is the same one in a round that samples another part of the split.
using Windows = std::map<std::string, std::vector<double>>;

struct AdvantageOptions {
  std::int64_t window = 32;     // rewards that are kept of a condition; 0: none, so that every advantage is relative to the batch
  std::int64_t min_count = 16;  // a condition with fewer rewards in its window takes the mean and deviation of the batch
};

// Appends the rewards to their conditions' windows and returns each reward's advantage (reward - mean) / (std + 1e-6), of the condition's
// window, which includes the new rewards, or of the batch (all of `reward`). The deviation is the population's. As PerPromptStatTracker of
// trl 0.23.0 (trl/trainer/utils.py).
std::vector<double> advantages(const std::vector<std::string>& condition, const std::vector<double>& reward,
                               const AdvantageOptions& options, Windows& windows);

// Windows as they are handed on: a tensor "advantages.<condition>", [rewards] of float64, each.
TensorMap to_state(const Windows& windows);
// Returns the windows of a handed-on state; other tensors are passed over.
Windows windows_of(const TensorMap& state);

}  // namespace espalier::ddpo
