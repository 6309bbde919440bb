#include "plugins/metric/noise_diagnostics/normality.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

#include "runtime/random/streams.h"
#include "runtime/selection/bootstrap.h"

namespace espalier::noise_diagnostics {
namespace {

constexpr std::int64_t kFewest = 20;  // noises that have an interval
constexpr int kBins = 40;

using Powers = std::array<double, 4>;  // means of z, z^2, z^3, z^4 over elements

double mean_of(const Powers& m) { return m[0]; }
double square_of(const Powers& m) { return m[1]; }
double variance_of(const Powers& m) { return m[1] - m[0] * m[0]; }
double excess_kurtosis_of(const Powers& m) {
  const double fourth = m[3] - 4 * m[0] * m[2] + 6 * m[0] * m[0] * m[1] - 3 * std::pow(m[0], 4);
  return fourth / (variance_of(m) * variance_of(m)) - 3.0;
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

// Of the rows drawn of [n, 4].
Powers average(const at::Tensor& powers, std::span<const std::int64_t> drawn) {
  const auto* values = powers.const_data_ptr<double>();
  Powers sum{};
  for (const auto row : drawn) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[4 * row + static_cast<std::int64_t>(i)];
  }
  for (double& one : sum) one /= static_cast<double>(drawn.size());
  return sum;
}

std::vector<double> squared_radii(const at::Tensor& noise) {
  std::vector<double> radii;
  for (std::int64_t i = 0; i < noise.size(0); ++i) radii.push_back(noise[i].to(at::kDouble).square().sum().item<double>());
  std::sort(radii.begin(), radii.end());
  return radii;
}

}  // namespace

std::vector<Scalar> moments(const at::Tensor& noise, const random::StreamKey& key) {
  const auto powers = powers_of(noise).contiguous();
  const auto of = [&](std::span<const std::int64_t> drawn) {
    const auto m = average(powers, drawn);
    return std::vector<double>{mean_of(m), variance_of(m), excess_kurtosis_of(m), square_of(m)};
  };
  std::vector<std::int64_t> all(static_cast<std::size_t>(noise.size(0)));
  std::iota(all.begin(), all.end(), 0);
  const auto values = of(all);
  const auto stream = random::streams::noise_bootstrap(key);
  const auto bounds = intervals::bootstrap(noise.size(0) < kFewest ? 0 : noise.size(0), values, of, stream);
  std::vector<Scalar> scalars;
  for (const char* name : {"noise_mean", "noise_variance", "noise_excess_kurtosis", "noise_squared_radius"}) {
    const auto i = scalars.size();
    const auto& [low, high] = bounds[i];
    const auto kind = std::isnan(low) ? intervals::Kind::none : intervals::Kind::bootstrap;
    scalars.push_back(to_scalar(name, intervals::Estimate{values[i], low, high, kind, noise.size(0)}));
  }
  return scalars;
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

Chart radial_chart(const at::Tensor& noise) {
  const auto radii = squared_radii(noise);
  const auto d = static_cast<double>(noise.size(1)), spread = 4.0 * std::sqrt(2.0 / d);
  const double low = std::min(radii.front() / d, std::max(0.0, 1.0 - spread)), high = std::max(radii.back() / d, 1.0 + spread) * (1 + 1e-9);
  const double width = (high - low) / kBins;
  Chart::Series found{.name = "inverted noises"}, law{.name = "N(0, I)"};
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
