#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/selection/selection.h"

namespace espalier::selection {

// With which probability a filter accepts a sample, as a function of one thing about it. Accepted samples follow
// p^a(x) ~ p(x) E[A | x], so that the law follows from the function.

// Of the sample's quantile u in its group of `group_size` samples with a finite score, for a continuous score. The law is a closed form:
// it is that of independent samples, and does not depend on the scores but for their ties.
struct ByQuantile {
  std::function<double(double u, std::int64_t group_size)> probability;
};

// Of its score. The law is measured: an estimate from these samples.
struct ByScore {
  std::function<double(double score)> probability;
};

// Of its score and of the law F of its group's scores, for groups of `group_size` samples: `ascending` holds samples of F, and the
// probabilities are theirs, one each. Measured; a group's few samples in place of F bias the law.
struct ByScoreInGroup {
  std::function<std::vector<double>(const std::vector<double>& ascending, std::int64_t group_size)> probabilities;
};

// Of how many samples of its group have its canonical key, itself included; 0 where it has no key. Measured.
struct ByMultiplicity {
  std::function<double(std::int64_t copies)> probability;
};

using Acceptance = std::variant<ByQuantile, ByScore, ByScoreInGroup, ByMultiplicity>;

// The law of accepting the samples of `input` so, each group (a condition, or all samples) on its own; the averages over groups are
// weighted by the samples that each accepts. Scores are never pooled across conditions but by a filter in whose groups they compete.
// Ties are broken at random: a score that several samples share has the mean of w over its stretch of quantiles, in the base's law, which
// is estimated (tied_law.h). In groups of 16 to 256 a delete-one jackknife removes the first order of the bias of laws by scores. To
// `formula`, the filter's own text, is added how, with its bias. `who` (the filter's type) begins the messages of StageError, where no
// sample has a finite score or none can be accepted, and of PluginError, where a probability is not in [0, 1].
Law law(const std::string& who, const FilterInput& input, bool by_condition, const Acceptance& acceptance, std::string formula);

}  // namespace espalier::selection
