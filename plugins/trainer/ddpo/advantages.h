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

// Of which rewards an advantage's mean and deviation are.
inline constexpr const char* kWindow = "window";         // of the condition's window
inline constexpr const char* kGroup = "group";           // of the condition's rewards of this round, its group
inline constexpr const char* kGroupMean = "group_mean";  // the mean of the group, the deviation of the batch (all of the round's rewards)

struct AdvantageOptions {
  std::int64_t window = 32;     // rewards that are kept of a condition; 0: none, so that every advantage is relative to the batch
  std::int64_t min_count = 16;  // a condition with fewer rewards in its window takes the mean and deviation of the batch
  std::string statistics = kWindow;
  double epsilon = 1e-6;  // added to the deviation
};

// Returns each reward's advantage (reward - mean) / (std + epsilon). The deviation is the population's.
//   window: appends the rewards to their conditions' windows; of the condition's window, which includes the new rewards, or of the batch.
//   As PerPromptStatTracker of trl 0.23.0 (trl/trainer/utils.py).
//   group, group_mean: as Flow-GRPO (arXiv 2505.05470), which has epsilon = 1e-4 and the second by default (global_std); the windows stay
//   as they are.
std::vector<double> advantages(const std::vector<std::string>& condition, const std::vector<double>& reward,
                               const AdvantageOptions& options, Windows& windows);

// Windows as they are handed on: a tensor "advantages.<condition>", [rewards] of float64, each.
TensorMap to_state(const Windows& windows);
// Returns the windows of a handed-on state; other tensors are passed over.
Windows windows_of(const TensorMap& state);

}  // namespace espalier::ddpo
