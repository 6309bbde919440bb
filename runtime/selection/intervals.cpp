#include "runtime/selection/intervals.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace espalier::intervals {
namespace {

constexpr double kZ = 1.959963984540054;  // the 0.975 quantile of the normal law

}  // namespace

Interval wilson(double successes, double trials) {
  if (!(trials > 0.0)) return {};
  const double p = successes / trials, square = kZ * kZ / trials;
  const double centre = (p + square / 2.0) / (1.0 + square);
  const double half = kZ * std::sqrt(p * (1.0 - p) / trials + square / (4.0 * trials)) / (1.0 + square);
  // p lies inside whatever the rounding.
  return {std::clamp(centre - half, 0.0, p), std::clamp(centre + half, p, 1.0)};
}

Estimate share(std::int64_t part, std::int64_t whole) {
  const auto successes = static_cast<double>(part), trials = static_cast<double>(whole);
  const auto [low, high] = wilson(successes, trials);
  return {whole == 0 ? 0.0 : successes / trials, low, high, Kind::wilson, whole};
}

Interval wilson_of_clusters(std::span<const double> successes, std::span<const double> trials) {
  const double total = std::accumulate(trials.begin(), trials.end(), 0.0);
  if (!(total > 0.0)) return {};
  const double p = std::accumulate(successes.begin(), successes.end(), 0.0) / total;
  const auto clusters = static_cast<double>(trials.size());
  double squares = 0.0;
  for (std::size_t i = 0; i < trials.size(); ++i) squares += (successes[i] - p * trials[i]) * (successes[i] - p * trials[i]);
  const double variance = clusters > 1.0 ? squares / (clusters - 1.0) * clusters / (total * total) : 0.0;
  // A few clusters that chance made alike are no proof of more trials than there are.
  const double independent = variance > 0.0 && p > 0.0 && p < 1.0 ? std::min(p * (1.0 - p) / variance, total) : clusters;
  return wilson(p * independent, independent);
}

Estimate share_of_clusters(std::span<const double> successes, std::span<const double> trials) {
  const double total = std::accumulate(trials.begin(), trials.end(), 0.0);
  const double share = total > 0.0 ? std::accumulate(successes.begin(), successes.end(), 0.0) / total : 0.0;
  const auto [low, high] = wilson_of_clusters(successes, trials);
  // The share lies inside whatever the rounding.
  return {share, std::min(low, share), std::max(high, share), Kind::wilson, std::ssize(trials)};
}

}  // namespace espalier::intervals
