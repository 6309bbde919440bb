#include "plugins/metric/intermediate_profile/profile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <span>

#include "runtime/base/errors.h"
#include "runtime/selection/bootstrap.h"

namespace espalier::intermediate_profile {
namespace {

// ddof 1, of the finite values; nothing below two.
std::optional<double> variance(std::span<const double> values) {
  double sum = 0.0, count = 0.0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  if (count < 2.0) return std::nullopt;
  const double mean = sum / count;
  double squares = 0.0;
  for (const double value : values) {
    if (std::isfinite(value)) squares += (value - mean) * (value - mean);
  }
  return squares / (count - 1.0);
}

// Of each condition its value; a condition without one has none.
using ByCondition = std::map<std::int64_t, double>;

ByCondition within(const std::vector<double>& reward, const std::vector<std::int64_t>& condition) {
  std::map<std::int64_t, std::vector<double>> samples;
  for (std::size_t i = 0; i < reward.size(); ++i) samples[condition[i]].push_back(reward[i]);
  ByCondition found;
  for (const auto& [which, values] : samples) {
    if (const auto value = variance(values)) found.emplace(which, *value);
  }
  return found;
}

ByCondition given_state(const Completions& completions, const std::vector<std::int64_t>& condition, std::int64_t& states) {
  std::map<std::int64_t, std::vector<double>> all;
  states = 0;
  for (std::size_t i = 0; i < condition.size(); ++i) {
    std::vector<double> values;
    for (const auto& rewards : completions.reward) values.push_back(rewards.at(i));
    const auto value = variance(values);
    if (!value) continue;
    all[condition[i]].push_back(*value);
    ++states;
  }
  ByCondition found;
  for (const auto& [which, values] : all) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    found.emplace(which, sum / static_cast<double>(values.size()));
  }
  return found;
}

// The conditions that both have; their rows are drawn again together, so that the interval of a share knows that both vary together.
struct Pairs {
  std::vector<double> part, whole;
};

Pairs common(const ByCondition& part, const ByCondition& whole) {
  Pairs pairs;
  for (const auto& [which, value] : part) {
    const auto found = whole.find(which);
    if (found == whole.end()) continue;
    pairs.part.push_back(value);
    pairs.whole.push_back(found->second);
  }
  return pairs;
}

double mean(const std::vector<double>& values, std::span<const std::int64_t> rows) {
  double sum = 0.0;
  for (const auto row : rows) sum += values[static_cast<std::size_t>(row)];
  return sum / static_cast<double>(rows.size());
}

Point point_of(const Completions& completions, const std::vector<std::int64_t>& condition, const ByCondition& whole,
               const random::StreamKey& key) {
  Point point{.step = completions.step, .states = 0, .variance = {}, .share = {}};
  const auto part = given_state(completions, condition, point.states);
  const auto pairs = common(part, whole);
  if (pairs.part.empty()) {
    throw StageError("no state with " + std::to_string(completions.step) +
                     " steps remaining has two completions with a finite reward, in a condition with two samples");
  }
  const auto rows = static_cast<std::int64_t>(pairs.part.size());
  const auto statistics = [&](std::span<const std::int64_t> drawn) {
    const double numerator = mean(pairs.part, drawn), denominator = mean(pairs.whole, drawn);
    return std::vector<double>{numerator, denominator > 0.0 ? numerator / denominator : 0.0};
  };
  std::vector<std::int64_t> all(pairs.part.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  const auto values = statistics(all);
  const auto found = intervals::bootstrap(rows, values, statistics, key);
  const auto kind = rows < 2 ? intervals::Kind::none : intervals::Kind::bootstrap;
  point.variance = {values[0], found[0].low, found[0].high, kind, rows};
  point.share = {values[1], found[1].low, found[1].high, kind, rows};
  return point;
}

}  // namespace

Profile profile_of(const std::vector<double>& reward, const std::vector<std::int64_t>& condition,
                   const std::vector<Completions>& completions, const random::StreamKey& key) {
  const auto whole = within(reward, condition);
  if (whole.empty()) throw StageError("no condition has two samples with a finite reward");
  std::vector<double> variances;
  for (const auto& [which, value] : whole) variances.push_back(value);
  Profile profile{intervals::mean(variances, key), {}};
  for (const auto& one : completions) profile.points.push_back(point_of(one, condition, whole, key));
  std::ranges::sort(profile.points, {}, &Point::step);
  return profile;
}

}  // namespace espalier::intermediate_profile
