#include "plugins/metric/noise_diagnostics/normality.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "plugins/metric/noise_diagnostics/inversions.h"

namespace espalier::noise_diagnostics {
namespace {

constexpr std::int64_t kGroups = 20;
constexpr double kNormal95 = 1.959963984540054;
constexpr int kBins = 40;

using Powers = std::array<double, 4>;  // means of z, z^2, z^3, z^4 over elements

double mean_of(const Powers& m) { return m[0]; }
double square_of(const Powers& m) { return m[1]; }
double variance_of(const Powers& m) { return m[1] - m[0] * m[0]; }
double excess_kurtosis_of(const Powers& m) {
  const double fourth = m[3] - 4 * m[0] * m[2] + 6 * m[0] * m[0] * m[1] - 3 * std::pow(m[0], 4);
  return fourth / (variance_of(m) * variance_of(m)) - 3.0;
}

Powers average(const at::Tensor& powers) {  // [n, 4]
  const auto mean = powers.mean(0);
  const auto* values = mean.const_data_ptr<double>();
  return {values[0], values[1], values[2], values[3]};
}

// Means of powers over each noise's elements, [n, 4]; in parts, so that no copy of all noises in double is needed.
at::Tensor powers_of(const at::Tensor& noise) {
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i < noise.size(0); ++i) {
    const auto z = noise[i].to(at::kDouble), square = z.square();
    rows.push_back(at::stack({z.mean(), square.mean(), (square * z).mean(), square.square().mean()}));
  }
  return at::stack(rows);
}

std::vector<Powers> leaving_out_each_group(const at::Tensor& powers, const Powers& all) {
  std::vector<Powers> out;
  const auto n = powers.size(0);
  for (std::int64_t g = 0; g < kGroups && n >= kGroups; ++g) {
    const auto first = g * n / kGroups, count = (g + 1) * n / kGroups - first;
    const auto own = average(powers.narrow(0, first, count));
    const double share = static_cast<double>(count) / static_cast<double>(n);
    Powers rest{};
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = (all[i] - share * own[i]) / (1.0 - share);
    out.push_back(rest);
  }
  return out;
}

Figure with_interval(const std::string& name, const std::function<double(const Powers&)>& statistic, const Powers& all,
                     const std::vector<Powers>& parts) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const double value = statistic(all);
  if (parts.empty()) return {name, value, kNone, kNone};
  const auto groups = static_cast<double>(parts.size());
  double mean = 0, squares = 0;
  for (const auto& part : parts) mean += statistic(part) / groups;
  for (const auto& part : parts) squares += std::pow(statistic(part) - mean, 2);
  const double half = kNormal95 * std::sqrt(squares * (groups - 1) / groups);
  return {name, value, value - half, value + half};
}

std::vector<double> squared_radii(const at::Tensor& noise) {
  std::vector<double> radii;
  for (std::int64_t i = 0; i < noise.size(0); ++i) radii.push_back(noise[i].to(at::kDouble).square().sum().item<double>());
  std::sort(radii.begin(), radii.end());
  return radii;
}

}  // namespace

std::vector<Figure> moments(const at::Tensor& noise) {
  const auto powers = powers_of(noise);
  const auto all = average(powers);
  const auto parts = leaving_out_each_group(powers, all);
  return {with_interval("noise_mean", mean_of, all, parts), with_interval("noise_variance", variance_of, all, parts),
          with_interval("noise_excess_kurtosis", excess_kurtosis_of, all, parts),
          with_interval("noise_squared_radius", square_of, all, parts)};
}

double chi_square_law(double squared_radius, std::int64_t dimensions) {
  const auto d = static_cast<double>(dimensions);
  const double variance = 2.0 / (9.0 * d);
  return 0.5 * std::erfc(-(std::cbrt(squared_radius / d) - (1.0 - variance)) / std::sqrt(2.0 * variance));
}

double radial_distance(const at::Tensor& noise) {
  const auto radii = squared_radii(noise);
  const auto n = static_cast<double>(radii.size());
  double most = 0;
  for (std::size_t i = 0; i < radii.size(); ++i) {
    const double law = chi_square_law(radii[i], noise.size(1));
    most = std::max({most, law - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - law});
  }
  return most;
}

Plot radial_plot(const at::Tensor& noise) {
  const auto radii = squared_radii(noise);
  const auto d = static_cast<double>(noise.size(1)), spread = 4.0 * std::sqrt(2.0 / d);
  const double low = std::min(radii.front() / d, std::max(0.0, 1.0 - spread)), high = std::max(radii.back() / d, 1.0 + spread) * (1 + 1e-9);
  const double width = (high - low) / kBins;
  Plot::Series found{.name = "inverted noises"}, law{.name = "N(0, I)"};
  for (int bin = 0; bin < kBins; ++bin) {
    const double left = low + bin * width, right = left + width;
    const auto count = std::lower_bound(radii.begin(), radii.end(), right * d) - std::lower_bound(radii.begin(), radii.end(), left * d);
    found.x.push_back(left + width / 2);
    law.x.push_back(left + width / 2);
    found.y.push_back(static_cast<double>(count) / (static_cast<double>(radii.size()) * width));
    law.y.push_back((chi_square_law(right * d, noise.size(1)) - chi_square_law(left * d, noise.size(1))) / width);
  }
  return {.name = "radial law", .x_label = "squared radius over dimensions", .y_label = "density", .series = {found, law}};
}

}  // namespace espalier::noise_diagnostics
