#include "runtime/selection/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "runtime/selection/quantile.h"

namespace espalier::intervals {

std::vector<Interval> bootstrap(std::int64_t rows, const std::vector<double>& values, const Statistics& statistics,
                                const random::StreamKey& key, std::int64_t resamples) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (rows < 2) return std::vector<Interval>(values.size(), {kNone, kNone});
  std::vector<std::vector<double>> found(values.size());
  for (std::int64_t resample = 0; resample < resamples; ++resample) {
    random::Draws draws(key, {static_cast<std::uint64_t>(resample)});
    draws.begin(0);
    const auto drawn = draws.integers({rows}, rows);  // [1, rows]
    const auto numbers = statistics({drawn.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(rows)});
    for (std::size_t i = 0; i < found.size(); ++i) found[i].push_back(numbers.at(i));
  }
  std::vector<Interval> intervals;
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::sort(found[i].begin(), found[i].end());
    // The value itself is always inside: with few resamples or equal rows rounding could leave it out.
    intervals.push_back(
        {std::min(selection::quantile(found[i], 0.025), values[i]), std::max(selection::quantile(found[i], 0.975), values[i])});
  }
  return intervals;
}

Interval infinitesimal_jackknife(double value, std::span<const double> influence) {
  double sum = 0.0, squares = 0.0;
  for (const double one : influence) sum += one, squares += one * one;
  const double variance = std::max(0.0, squares - sum * sum / static_cast<double>(influence.size()));
  const double half = 1.959963984540054 * std::sqrt(variance);
  return {value - half, value + half};
}

Interval infinitesimal_jackknife(std::span<const double> numerator, std::span<const double> denominator) {
  const double whole = std::accumulate(denominator.begin(), denominator.end(), 0.0);
  const double ratio = std::accumulate(numerator.begin(), numerator.end(), 0.0) / whole;
  std::vector<double> influence(numerator.size());
  for (std::size_t i = 0; i < influence.size(); ++i) influence[i] = (numerator[i] - ratio * denominator[i]) / whole;
  return infinitesimal_jackknife(ratio, influence);
}

Estimate mean(std::span<const double> values, const random::StreamKey& key) {
  const auto count = static_cast<double>(values.size());
  const double value = std::accumulate(values.begin(), values.end(), 0.0) / count;
  const auto of = [&](std::span<const std::int64_t> drawn) {
    double sum = 0.0;
    for (const auto row : drawn) sum += values[static_cast<std::size_t>(row)];
    return std::vector<double>{sum / count};
  };
  const auto [low, high] = bootstrap(static_cast<std::int64_t>(values.size()), {value}, of, key).front();
  return {value, low, high, values.size() < 2 ? Kind::none : Kind::bootstrap, static_cast<std::int64_t>(values.size())};
}

double ByCondition::mean() const { return std::accumulate(sum.begin(), sum.end(), 0.0) / std::accumulate(count.begin(), count.end(), 0.0); }

ByCondition group(const std::vector<double>& value, const std::vector<std::int64_t>& condition) {
  std::map<std::int64_t, std::pair<double, double>> totals;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (std::isfinite(value[i])) {
      auto& [sum, count] = totals[condition[i]];
      sum += value[i];
      count += 1.0;
    }
  }
  ByCondition result;
  for (const auto& [key, total] : totals) {
    result.sum.push_back(total.first);
    result.count.push_back(total.second);
  }
  return result;
}

Interval bootstrap(const ByCondition& data, const random::StreamKey& key, std::int64_t resamples) {
  const auto of = [&](std::span<const std::int64_t> drawn) {
    double sum = 0.0;
    double count = 0.0;
    for (const auto row : drawn) {
      sum += data.sum[static_cast<std::size_t>(row)];
      count += data.count[static_cast<std::size_t>(row)];
    }
    return std::vector<double>{sum / count};
  };
  return bootstrap(static_cast<std::int64_t>(data.sum.size()), {data.mean()}, of, key, resamples).front();
}

Estimate mean(const ByCondition& data, const random::StreamKey& key, std::int64_t resamples) {
  const auto conditions = std::ssize(data.sum);
  const auto [low, high] = bootstrap(data, key, resamples);
  return {data.mean(), low, high, conditions < 2 ? Kind::none : Kind::bootstrap, conditions};
}

}  // namespace espalier::intervals
