#include "plugins/shared/frechet/jackknife.h"

#include <ATen/ops/cat.h>

#include <cmath>
#include <numeric>

namespace espalier::frechet_distance {
namespace {

constexpr double kStudent19 = 2.093024054408263;  // the 0.975 quantile of Student's t with kJackknifeGroups - 1 degrees of freedom
static_assert(kJackknifeGroups == 20);

at::Tensor without_run(const at::Tensor& rows, std::int64_t run) {
  const auto begin = run * rows.size(0) / kJackknifeGroups, end = (run + 1) * rows.size(0) / kJackknifeGroups;
  return at::cat({rows.slice(0, 0, begin), rows.slice(0, end)});
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

bool enough_for_jackknife(std::int64_t rows, std::int64_t features) {
  const auto largest_run = (rows + kJackknifeGroups - 1) / kJackknifeGroups;
  return rows >= kJackknifeGroups && rows - largest_run > features;
}

Jackknife jackknife(const at::Tensor& x, const at::Tensor& y) {
  Jackknife result{frechet_distance(x, y), {}};
  for (std::int64_t run = 0; run < kJackknifeGroups; ++run) {
    result.without.push_back(frechet_distance(without_run(x, run), without_run(y, run)));
  }
  return result;
}

double bias(const Jackknife& jackknife) { return static_cast<double>(kJackknifeGroups - 1) * (mean(jackknife.without) - jackknife.value); }

intervals::Estimate corrected(const Jackknife& jackknife) {
  constexpr auto kGroups = static_cast<double>(kJackknifeGroups);
  const double middle = mean(jackknife.without);
  double squares = 0.0;
  for (const double value : jackknife.without) squares += (value - middle) * (value - middle);
  const double half = kStudent19 * std::sqrt((kGroups - 1.0) / kGroups * squares);
  const double value = jackknife.value - bias(jackknife);
  return {value, value - half, value + half, intervals::Kind::jackknife};
}

intervals::Estimate difference(const Jackknife& a, const Jackknife& b) {
  Jackknife of{a.value - b.value, {}};
  for (std::size_t run = 0; run < a.without.size(); ++run) of.without.push_back(a.without[run] - b.without[run]);
  return corrected(of);
}

}  // namespace espalier::frechet_distance
