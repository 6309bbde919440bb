#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::selection {

// How each reward's scores are made comparable before they are added.
enum class Normalization {
  none,
  z_score,  // (r - mean) / deviation (ddof 0); 0 where all are equal
  rank,     // (rank - 1/2) / n, equal scores share the mean of their ranks: in (0, 1), uniform
};

// One score a sample of several rewards': sum_j w_j norm(r_j). The statistics of a normalization are those of the samples of a group (equal
// numbers in `group`) with finite scores of all rewards. A sample without such a score in any of them has NaN.
// scores [J][N], weights [J], group [N].
std::vector<double> mixed(const std::vector<std::vector<double>>& scores, const std::vector<double>& weights, Normalization normalization,
                          const std::vector<std::int64_t>& group);

}  // namespace espalier::selection
