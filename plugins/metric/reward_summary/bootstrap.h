#pragma once

#include <cstdint>
#include <vector>

#include "runtime/random/draws.h"

namespace espalier::reward_summary {

// A number of each sample, summed by condition (prompt): samples of one prompt are alike, so that prompts are what is drawn again.
struct ByCondition {
  std::vector<double> sum;    // [C]
  std::vector<double> count;  // [C], each at least 1
  double mean() const;        // over all samples
};

// Sums the finite values, conditions in ascending order.
ByCondition group(const std::vector<double>& value, const std::vector<std::int64_t>& condition);

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

// The 95 % percentile interval of the mean: C conditions are drawn with replacement `resamples` times, each with all its samples.
// A function of (data, key) alone. NaN bounds below two conditions, of which nothing can be said.
Interval bootstrap(const ByCondition& data, std::int64_t resamples, const random::StreamKey& key);

}  // namespace espalier::reward_summary
