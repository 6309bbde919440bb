#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "runtime/selection/selection.h"

namespace espalier::selection {

// A sample that competes, and how likely it is to be accepted among those that it competes with.
struct Judged {
  std::int64_t group = 0;
  double score = 0.0;
  double acceptance = 0.0;     // in [0, 1]
  std::int64_t condition = 0;  // what is drawn again for an interval; that of its group where the groups are conditions
};

inline constexpr int kLevels = 32;  // of the curve: its density is a mean over stretches of 1/32

// Of the samples of one group that are accepted as judged, relative to drawing each of the group alike.
struct GroupNumbers {
  double accepted = 0.0;  // samples, on average
  double kl = 0.0;
  double quantile = 0.0;
};
GroupNumbers numbers_of_group(std::span<const Judged> ascending);  // by score; kl and quantile are 0 where nothing is accepted

// What is added to a group's numbers against their bias.
struct Correction {
  double kl = 0.0, quantile = 0.0;
};

// The law of accepting each sample as it is judged, relative to drawing each of its group alike (formula: ""):
//   acceptance rate  the mean of a_i
//   KL               sum_i q_i log(q_i M), q_i = a_i / sum_j a_j, over the M samples of a group
//   E[u]             sum_i q_i u_i, u_i the sample's place in its group's order; a shared score has the middle of its stretch
//   w(u)             the mass q of the samples at u, spread evenly over each score's stretch
// KL, E[u] and w are averages over groups, weighted by the samples that each accepts; `corrections` (by group) are added. Measured: an
// estimate from these samples. Intervals are by drawing the conditions again, with draws of `key`. At least one acceptance is positive.
Law measured_law(std::vector<Judged> samples, const random::StreamKey& key, const std::map<std::int64_t, Correction>& corrections = {});

}  // namespace espalier::selection
