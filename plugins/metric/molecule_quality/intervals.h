#pragma once

#include <span>

namespace espalier::molecule_quality {

struct Interval {
  double low = 0.0;
  double high = 1.0;
};

// Wilson's 95 % interval of a proportion (Wilson, JASA 22, 1927): of p = successes / trials, independent,
//   (p + z^2/2n +- z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.96.  [0, 1] of no trials. `trials` need not be whole.
Interval wilson(double successes, double trials);

// The same where trials come in clusters (atoms in molecules) and are alike within one: the proportion p = sum successes / sum trials is a
// ratio of means over clusters with the linearised variance v = sum (s_i - p t_i)^2 / (c - 1) * c / T^2 (c clusters, T trials in all;
// Cochran, Sampling Techniques, 1977, section 6), and Wilson's interval is taken as of p (1 - p) / v independent trials, the number with
// that variance. Where v is 0 (all succeed, or all fail) the clusters themselves are counted as trials.
Interval wilson_of_clusters(std::span<const double> successes, std::span<const double> trials);

}  // namespace espalier::molecule_quality
