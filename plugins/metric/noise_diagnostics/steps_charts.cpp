#include "plugins/metric/noise_diagnostics/steps_charts.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/selection/quantile.h"

namespace espalier::noise_diagnostics {
namespace {

// The middle of the inversions and where 95 % of them lie, at each step that any tried.
Chart::Series by_step(const std::string& name, const at::Tensor& values, bool positive) {
  Chart::Series series{.name = name};
  for (std::int64_t k = 0; k < values.size(1); ++k) {
    auto found = finite_sorted(values.select(1, k));
    if (positive) found.erase(found.begin(), std::upper_bound(found.begin(), found.end(), 0.0));  // no place on a logarithmic axis
    if (found.empty()) continue;
    series.x.push_back(static_cast<double>(k + 1));
    series.y.push_back(selection::quantile(found, 0.5));
    series.low.push_back(selection::quantile(found, 0.025));
    series.high.push_back(selection::quantile(found, 0.975));
  }
  return series;
}

Chart::Series worst_by_step(const at::Tensor& values) {
  Chart::Series series{.name = "largest"};
  for (std::int64_t k = 0; k < values.size(1); ++k) {
    const auto found = finite_sorted(values.select(1, k));
    if (found.empty() || found.back() <= 0) continue;
    series.x.push_back(static_cast<double>(k + 1));
    series.y.push_back(found.back());
  }
  return series;
}

Chart chart(const std::string& name, const std::string& y_label, bool log_y, std::vector<Chart::Series> series) {
  std::erase_if(series, [](const Chart::Series& one) { return one.x.empty(); });
  return {.name = name, .x_label = "steps remaining before the step", .y_label = y_label, .log_y = log_y, .series = std::move(series)};
}

// Of the inversions that tried the step at all.
double mean_iterations(const Inversions& inversions, std::int64_t k) {
  const auto tried = inversions.iterations.select(1, k);
  const double count = tried.gt(0).sum().item<double>();
  return count == 0 ? 0.0 : tried.sum().item<double>() / count;
}

}  // namespace

std::vector<Chart> steps_charts(const Inversions& inversions) {
  const std::string middle = "median, 95 % of examples";
  std::vector<Chart> charts{chart("inversion residual", "rms of y + h v(y) - x", true,
                                  {by_step(middle, inversions.residual, true), worst_by_step(inversions.residual)}),
                            chart("contraction ratio", "largest ratio of Picard moves (h L, from below)", false,
                                  {by_step(middle, inversions.contraction, false)}),
                            chart("inversion iterations", "network evaluations a step", false,
                                  {by_step(middle, inversions.iterations, true), worst_by_step(inversions.iterations)})};
  std::erase_if(charts, [](const Chart& one) { return one.series.empty(); });
  return charts;
}

std::vector<Scalar> steps_scalars(const Inversions& inversions) {
  std::vector<Scalar> scalars;
  const auto steps = inversions.residual.size(1);
  const auto ratios = finite_sorted(inversions.contraction);
  if (!ratios.empty()) {
    const auto medians = by_step("", inversions.contraction, false).y;
    scalars.push_back(to_scalar("contraction_ratio", selection::quantile(ratios, 0.5)));
    scalars.push_back(to_scalar("contraction_ratio_worst_step", *std::max_element(medians.begin(), medians.end())));
  }
  std::int64_t hardest = 0;
  for (std::int64_t k = 1; k < steps; ++k) {
    if (mean_iterations(inversions, k) > mean_iterations(inversions, hardest)) hardest = k;
  }
  const auto tried = inversions.iterations.gt(0);
  scalars.push_back(to_scalar("iterations_per_step", inversions.iterations.sum().item<double>() / tried.sum().item<double>()));
  scalars.push_back(to_scalar("hardest_step", static_cast<double>(hardest + 1)));
  return scalars;
}

}  // namespace espalier::noise_diagnostics
