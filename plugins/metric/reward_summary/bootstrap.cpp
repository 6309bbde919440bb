#include "plugins/metric/reward_summary/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace espalier::reward_summary {
namespace {

// Linear between order statistics, as numpy.quantile.
double quantile(const std::vector<double>& ascending, double q) {
  const double place = q * static_cast<double>(ascending.size() - 1);
  const auto left = std::min(ascending.size() - 1, static_cast<std::size_t>(place));
  const auto right = std::min(ascending.size() - 1, left + 1);
  return ascending[left] + (place - static_cast<double>(left)) * (ascending[right] - ascending[left]);
}

}  // namespace

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

Interval bootstrap(const ByCondition& data, std::int64_t resamples, const random::StreamKey& key) {
  const auto conditions = static_cast<std::int64_t>(data.sum.size());
  if (conditions < 2) {
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  }
  std::vector<double> means;
  for (std::int64_t resample = 0; resample < resamples; ++resample) {
    random::Draws draws(key, {static_cast<std::uint64_t>(resample)});
    draws.begin(0);
    const auto drawn = draws.integers({conditions}, conditions);  // [1, C]
    const auto* which = drawn.const_data_ptr<std::int64_t>();
    double sum = 0.0;
    double count = 0.0;
    for (std::int64_t i = 0; i < conditions; ++i) {
      sum += data.sum[static_cast<std::size_t>(which[i])];
      count += data.count[static_cast<std::size_t>(which[i])];
    }
    means.push_back(sum / count);
  }
  std::sort(means.begin(), means.end());
  // The mean itself is always inside: with few resamples or equal scores rounding could leave it out.
  const double mean = data.mean();
  return {std::min(quantile(means, 0.025), mean), std::max(quantile(means, 0.975), mean)};
}

}  // namespace espalier::reward_summary
