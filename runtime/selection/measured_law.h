#pragma once

#include <cstdint>
#include <vector>

#include "runtime/selection/selection.h"

namespace espalier::selection {

// A sample that competes, and how likely it is to be accepted among those that it competes with.
struct Judged {
  std::int64_t group = 0;
  double score = 0.0;
  double acceptance = 0.0;  // in [0, 1]
};

inline constexpr int kLevels = 32;  // of the curve: its density is a mean over stretches of 1/32

// The law of accepting each sample as it is judged, relative to drawing each of its group alike (formula: ""):
//   acceptance rate  the mean of a_i
//   KL               sum_i q_i log(q_i M), q_i = a_i / sum_j a_j, over the M samples of a group
//   E[u]             sum_i q_i u_i, u_i the sample's place in its group's order; a shared score has the middle of its stretch
//   w(u)             the mass q of the samples at u, spread evenly over each score's stretch
// KL, E[u] and w are averages over groups, weighted by the samples that each accepts. Measured: an estimate from these samples. At least
// one acceptance is positive.
Law measured_law(std::vector<Judged> samples);

}  // namespace espalier::selection
