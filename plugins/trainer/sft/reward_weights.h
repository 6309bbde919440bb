#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::sft {

// Reward-weighted training: a sample's weight is proportional to b exp(score / temperature), b its weight in the selection.
struct RewardWeighting {
  double temperature = 0.0;      // 0: weights are the selection's alone
  std::string by = "condition";  // what they are normalised over: "condition", "batch"

  bool enabled() const { return temperature > 0.0; }
  bool by_batch() const { return by == "batch"; }
};

// b exp(score / temperature) of each sample over their sum, [N]; computed with the largest exponent at 0. `weight` is above 0, `score`
// finite.
std::vector<double> tilted(const std::vector<double>& weight, const std::vector<double>& score, double temperature);

// Weights by condition, [N]: tilted() among the samples of each condition, times what `weight` gives the condition in all, over the mean of
// `weight`. So their mean is 1, that over a condition's samples is the condition's mean `weight` over the mean of all (1 for equal
// weights), and for a large temperature they are weight / mean.
std::vector<double> weights_by_condition(const std::vector<double>& weight, const std::vector<double>& score,
                                         const std::vector<std::int64_t>& condition, double temperature);

}  // namespace espalier::sft
