#pragma once

#include <functional>
#include <vector>

#include "runtime/sdk/metric.h"

namespace espalier::noise_diagnostics {

// Moments over all elements of noises [n, D], with 95 % intervals by a bootstrap over noises (NaN below 20 noises): "noise_mean" (0 for
// N(0, I)), "noise_variance" (1), "noise_excess_kurtosis" (0), "noise_squared_radius" (mean ||z||^2 / D: 1).
std::vector<Scalar> moments(const at::Tensor& noise, const random::StreamKey& key);

// P(||z||^2 <= squared_radius) for z ~ N(0, I) in `dimensions`, by Wilson and Hilferty's approximation (PNAS 17 (1931)): the cube root of
// ||z||^2 / D is normal with mean 1 - 2/(9D) and variance 2/(9D). Off by less than 0.002 from D = 16 on.
double chi_square_law(double squared_radius, std::int64_t dimensions);

// Kolmogorov and Smirnov's distance between the squared radii of noises [n, D] and that law. 95 % of samples of N(0, I) stay below
// 1.36 / sqrt(n).
double radial_distance(const at::Tensor& noise);

// Histogram of ||z||^2 / D and the density of N(0, I)'s.
Chart radial_chart(const at::Tensor& noise);

}  // namespace espalier::noise_diagnostics
