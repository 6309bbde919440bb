#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/random/draws.h"
#include "runtime/selection/intervals.h"

namespace espalier::intervals {

inline constexpr std::int64_t kResamples = 2000;

// Numbers computed from rows, each of which may come several times or not at all.
using Statistics = std::function<std::vector<double>(std::span<const std::int64_t> drawn)>;

// The 95 % percentile intervals of numbers computed from `rows` independent rows (Efron and Tibshirani 1993): as many rows are drawn with
// replacement, `resamples` times, and the numbers computed of them. `values`, those of all rows once each, are always inside. A function of
// (statistics, key) alone. NaN bounds below two rows.
std::vector<Interval> bootstrap(std::int64_t rows, const std::vector<double>& values, const Statistics& statistics,
                                const random::StreamKey& key, std::int64_t resamples = kResamples);

// From so many rows on, a law's intervals are those below: they differ from the bootstrap's by less than its own chance, at a thousandth of
// its work.
inline constexpr std::int64_t kManyRows = 1000;

// The normal 95 % interval of a smooth function of the rows' weights by the infinitesimal jackknife (Efron, "The Jackknife, the Bootstrap
// and Other Resampling Plans", 1982, chapter 6): influence[i] is the derivative by row i's weight where each row counts once, and the
// variance that of drawing the rows again, sum I^2 - (sum I)^2 / rows.
Interval infinitesimal_jackknife(double value, std::span<const double> influence);
// Of sum numerator / sum denominator.
Interval infinitesimal_jackknife(std::span<const double> numerator, std::span<const double> denominator);

// The mean of independent values, each a row, with its interval.
Estimate mean(std::span<const double> values, const random::StreamKey& key);

// A number of each sample, summed by condition (prompt): samples of one prompt are alike, so that prompts are what is drawn again.
struct ByCondition {
  std::vector<double> sum;    // [C]
  std::vector<double> count;  // [C], each at least 1
  double mean() const;        // over all samples
};

// Sums the finite values, conditions in ascending order.
ByCondition group(const std::vector<double>& value, const std::vector<std::int64_t>& condition);

// Of the mean over all samples: the conditions are the rows, each with all its samples.
Interval bootstrap(const ByCondition& data, const random::StreamKey& key, std::int64_t resamples = kResamples);
Estimate mean(const ByCondition& data, const random::StreamKey& key, std::int64_t resamples = kResamples);  // with that interval

}  // namespace espalier::intervals
