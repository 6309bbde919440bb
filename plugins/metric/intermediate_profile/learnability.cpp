#include "plugins/metric/intermediate_profile/learnability.h"

#include <ATen/ops/cdist.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <map>

#include "runtime/base/errors.h"
#include "runtime/selection/bootstrap.h"

namespace espalier::intermediate_profile {
namespace {

// Means over pairs, without the pairs of some rows of X.
struct PairMeans {
  double between = 0.0;       // of X and Z
  double within = 0.0;        // of different rows of X
  double noise_within = 0.0;  // of different rows of Z
  double coefficient() const { return (2.0 * between - within - noise_within) / (2.0 * between); }
};

double mean_of_different(const at::Tensor& distance) {
  const auto rows = static_cast<double>(distance.size(0));
  return distance.sum().item<double>() / (rows * (rows - 1.0));
}

}  // namespace

intervals::Estimate energy_coefficient(const at::Tensor& states, const std::vector<std::int64_t>& condition, const at::Tensor& noise) {
  std::map<std::int64_t, std::vector<std::int64_t>> rows_of;
  for (std::size_t i = 0; i < condition.size(); ++i) rows_of[condition[i]].push_back(static_cast<std::int64_t>(i));
  if (rows_of.size() < 2) throw StageError("the distance of accepted states from noise needs accepted states of two conditions");
  const auto to_noise = at::cdist(states, noise).mean(1);  // [K]
  const auto among = at::cdist(states, states);            // [K, K]
  const auto to_noise_of = to_noise.accessor<double, 1>();
  const auto among_of = among.accessor<double, 2>();
  const auto noise_within = mean_of_different(at::cdist(noise, noise));
  const auto rows = static_cast<double>(condition.size());
  const double all_between = to_noise.sum().item<double>(), all_within = among.sum().item<double>();
  const auto row_sums = among.sum(1);
  const auto row_sum_of = row_sums.accessor<double, 1>();

  // Without the rows of one condition (none: of all).
  const auto without = [&](const std::vector<std::int64_t>& left_out) {
    const double left = rows - static_cast<double>(left_out.size());
    double between = all_between, within = all_within;
    for (const auto i : left_out) {
      between -= to_noise_of[i];
      within -= 2.0 * row_sum_of[i];
      for (const auto j : left_out) within += among_of[i][j];
    }
    if (left < 2.0) throw StageError("the distance of accepted states from noise needs two accepted states besides those of any condition");
    return PairMeans{between / left, within / (left * (left - 1.0)), noise_within}.coefficient();
  };
  const double value = without({});
  std::vector<double> left_out;
  for (const auto& [which, some] : rows_of) left_out.push_back(without(some));
  double mean = 0.0, squares = 0.0;
  const auto groups = static_cast<double>(left_out.size());
  for (const double one : left_out) mean += one / groups;
  for (const double one : left_out) squares += (one - mean) * (one - mean);
  const double half = 1.959963984540054 * std::sqrt(squares * (groups - 1.0) / groups);
  return {value, value - half, value + half, intervals::Kind::jackknife, static_cast<std::int64_t>(rows_of.size())};
}

intervals::Estimate excess_loss(const std::vector<double>& loss, const std::vector<std::int64_t>& condition,
                                const std::vector<std::int64_t>& accepted, const std::vector<double>& weight,
                                const random::StreamKey& key) {
  struct Sums {
    double loss = 0.0, weight = 0.0;
    double mean() const { return loss / weight; }
  };
  std::map<std::int64_t, Sums> all, chosen;
  for (std::size_t i = 0; i < loss.size(); ++i) {
    auto& sums = all[condition[i]];
    sums.loss += loss[i];
    sums.weight += 1.0;
  }
  for (std::size_t i = 0; i < accepted.size(); ++i) {
    const auto row = static_cast<std::size_t>(accepted[i]);
    auto& sums = chosen[condition[row]];
    sums.loss += weight[i] * loss[row];
    sums.weight += weight[i];
  }
  std::vector<double> difference;
  for (const auto& [which, sums] : chosen) {
    if (sums.weight > 0.0) difference.push_back(sums.mean() - all.at(which).mean());
  }
  if (difference.empty()) throw StageError("no state is accepted");
  return intervals::mean(difference, key);
}

}  // namespace espalier::intermediate_profile
