#pragma once

#include <cstdint>
#include <span>

// 95 % intervals. Of a share: Wilson's, which has a width where all trials succeed or none does, and lies in [0, 1].
// Of another number that cannot be negative: a percentile bootstrap (bootstrap.h), whose bounds are values that the number can have.
namespace espalier::intervals {

struct Interval {
  double low = 0.0;
  double high = 1.0;
};

// Wilson's interval of a share (Wilson, JASA 22, 1927): of p = successes / trials, independent,
//   (p + z^2/2n +- z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.96.  [0, 1] of no trials. `trials` need not be whole.
Interval wilson(double successes, double trials);

// How a 95 % interval was made; none: there is no interval.
enum class Kind { none, t, wilson, bootstrap, jackknife, normal };

// A number with its interval; NaN bounds and kind none where there is none.
struct Estimate {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
  Kind kind = Kind::none;
  std::int64_t count = 0;  // independent rows that it is of; 0: not known
};

// The share `part` of `whole` independent trials; 0 of none.
Estimate share(std::int64_t part, std::int64_t whole);

// The same where trials come in clusters (atoms in molecules, samples of prompts) and are alike within one: the share p = sum successes /
// sum trials is a ratio of means over clusters with the linearised variance v = sum (s_i - p t_i)^2 / (c - 1) * c / T^2 (c clusters, T
// trials in all; Cochran, Sampling Techniques, 1977, section 6), and Wilson's interval is taken as of p (1 - p) / v independent trials, the
// number with that variance, at most T. Where v is 0 (all succeed, or all fail) the clusters themselves are counted as trials.
Interval wilson_of_clusters(std::span<const double> successes, std::span<const double> trials);

// That share, 0 of no trials, with that interval; its count is that of the clusters.
Estimate share_of_clusters(std::span<const double> successes, std::span<const double> trials);

}  // namespace espalier::intervals
