// The whole method on data whose velocity is known in closed form: a mixture of Gaussians in the plane.
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "plugins/noise_corrector/inverse_noise/solver.h"
#include "runtime/random/draws.h"

namespace espalier::inverse_noise {
namespace {

// Equal parts N(mean_i, spread^2 I).
struct Mixture {
  std::vector<std::array<double, 2>> means{{2.0, 0.0}, {-1.0, 1.5}, {-1.0, -1.5}};
  double spread = 0.4;

  at::Tensor sample(std::int64_t count, std::uint64_t seed) const {
    std::vector<std::uint64_t> samples;
    for (std::int64_t i = 0; i < count; ++i) samples.push_back(static_cast<std::uint64_t>(i));
    random::Draws draws({seed, random::Purpose::evaluation}, samples);
    auto x = spread * draws.normals({2}, at::kDouble);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& mean = means[static_cast<std::size_t>(i) % means.size()];
      for (std::int64_t d = 0; d < 2; ++d) x[i][d] += mean[static_cast<std::size_t>(d)];
    }
    return x;
  }

  // E[x_0 - eps | x_t = x]. In part i, x_t ~ N(t m_i, D I) with D = t^2 s^2 + (1-t)^2, where
  // E[x_0] = m_i + t s^2/D (x - t m_i) and E[eps] = (1-t)/D (x - t m_i).
  std::array<double, 2> velocity(double x, double y, double t) const {
    const double variance = t * t * spread * spread + (1 - t) * (1 - t);
    const double slope = (t * spread * spread - (1 - t)) / variance;
    std::vector<double> log_weight;
    for (const auto& m : means) log_weight.push_back(-(std::pow(x - t * m[0], 2) + std::pow(y - t * m[1], 2)) / (2 * variance));
    const double most = *std::max_element(log_weight.begin(), log_weight.end());
    double total = 0;
    std::array<double, 2> v{0, 0};
    for (std::size_t i = 0; i < means.size(); ++i) {
      const double weight = std::exp(log_weight[i] - most);
      total += weight;
      v[0] += weight * (means[i][0] + slope * (x - t * means[i][0]));
      v[1] += weight * (means[i][1] + slope * (y - t * means[i][1]));
    }
    return {v[0] / total, v[1] / total};
  }

  EulerMap map(std::int64_t num_steps) const {
    const auto field = [*this, num_steps](const at::Tensor& y, const std::vector<std::int64_t>& steps_remaining, const auto&) {
      auto out = at::empty_like(y);
      const auto* from = y.const_data_ptr<double>();
      auto* to = out.mutable_data_ptr<double>();
      for (std::size_t i = 0; i < steps_remaining.size(); ++i) {
        const auto v =
            velocity(from[2 * i], from[2 * i + 1], 1.0 - static_cast<double>(steps_remaining[i]) / static_cast<double>(num_steps));
        to[2 * i] = v[0];
        to[2 * i + 1] = v[1];
      }
      return out;
    };
    return {field, std::vector<double>(static_cast<std::size_t>(num_steps), 1.0 / static_cast<double>(num_steps))};
  }
};

std::vector<RoundTrip> invert(const Mixture& flow, std::int64_t num_steps, const at::Tensor& data, bool from_noise = false) {
  std::vector<RoundTrip> trips;
  for (std::int64_t i = 0; i < data.size(0); ++i) trips.push_back({.from_noise = from_noise, .condition = 0, .start = data[i]});
  solve(flow.map(num_steps), {.tolerance = 1e-9, .max_iterations = 100}, 512, trips);
  return trips;
}

at::Tensor ends(const std::vector<RoundTrip>& trips, std::int64_t steps_remaining) {
  std::vector<at::Tensor> rows;
  for (const auto& trip : trips) rows.push_back(trip.path[steps_remaining]);
  return at::stack(rows);
}

at::Tensor standard_normals(std::int64_t count, std::uint64_t seed) { return Mixture{{{0.0, 0.0}}, 1.0}.sample(count, seed); }

// Energy distance of two samples (Szekely and Rizzo, J. Stat. Plan. Inference 143 (2013)), at least 0.
double energy_distance(const at::Tensor& a, const at::Tensor& b) {
  const auto mean_distance = [](const at::Tensor& x, const at::Tensor& y) {
    return (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2).sqrt().mean().item<double>();
  };
  return 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b);
}

TEST(MixtureFlow, InverseThenForwardGivesTheDataBack) {
  const Mixture flow;
  const auto trips = invert(flow, 20, flow.sample(100, 1));
  for (const auto& trip : trips) {
    EXPECT_TRUE(trip.converged);
    EXPECT_LT(trip.error, 1e-6);
  }
  for (const auto& trip : invert(flow, 20, standard_normals(100, 2), /*from_noise=*/true)) EXPECT_LT(trip.error, 1e-6);
}

TEST(MixtureFlow, NoisesOfExactDataAreGaussianUpToTheStep) {
  const Mixture flow;
  constexpr std::int64_t kCount = 800;
  const auto data = flow.sample(kCount, 1);
  const auto fresh = standard_normals(kCount, 2), others = standard_normals(kCount, 3);
  const double sampling = energy_distance(fresh, others);
  std::vector<double> distance, variance_error;
  for (const std::int64_t steps : {5, 15, 50}) {
    const auto z = ends(invert(flow, steps, data), steps);
    distance.push_back(energy_distance(z, fresh));
    variance_error.push_back(std::abs(z.square().mean().item<double>() - 1.0));
    EXPECT_NEAR(z.mean().item<double>(), 0.0, 4.0 / std::sqrt(2.0 * kCount)) << steps;
  }
  EXPECT_GT(distance[0], 4 * sampling) << "five steps are far off";
  EXPECT_LT(distance[2], distance[0] / 4);
  RecordProperty("energy_distances", testing::PrintToString(distance) + ", sampling " + std::to_string(sampling));
  EXPECT_LT(distance[2], 3 * sampling) << "800 samples do not distinguish fifty steps from Gaussian";
  EXPECT_LT(variance_error[1], variance_error[0] / 2);
  EXPECT_LT(variance_error[2], 4 * std::sqrt(1.0 / kCount) + 0.02);
}

TEST(MixtureFlow, NoisesOfABiasedFlowRestoreTheDataThatFreshNoiseMisses) {
  const Mixture real;
  const Mixture biased{{{1.4, 0.5}, {-1.3, 1.0}, {-0.6, -1.9}}, 0.6};
  constexpr std::int64_t kCount = 600, kSteps = 12;
  const auto data = real.sample(kCount, 1), more = real.sample(kCount, 4);
  const auto inverted = invert(biased, kSteps, data);
  const auto noises = ends(inverted, kSteps);
  const auto restored = ends(invert(biased, kSteps, noises, /*from_noise=*/true), 0);
  const auto plain = ends(invert(biased, kSteps, standard_normals(kCount, 5), /*from_noise=*/true), 0);
  EXPECT_LT((restored - data).abs().max().item<double>(), 1e-5);
  const double floor = energy_distance(data, more);
  EXPECT_LT(energy_distance(restored, more), 1.01 * floor + 1e-6);
  EXPECT_GT(energy_distance(plain, more), 10 * floor);
  EXPECT_GT(energy_distance(noises, standard_normals(kCount, 6)),
            5 * energy_distance(standard_normals(kCount, 5), standard_normals(kCount, 6)))
      << "where the flow is biased the noise must not be Gaussian";
}

}  // namespace
}  // namespace espalier::inverse_noise
