#include "plugins/noise_corrector/inverse_noise/solver.h"

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "plugins/noise_corrector/inverse_noise/anderson.h"
#include "runtime/random/draws.h"

namespace espalier::inverse_noise {
namespace {

at::Tensor noise(std::int64_t rows, std::int64_t columns, std::uint64_t seed = 1) {
  std::vector<std::uint64_t> samples;
  for (std::int64_t i = 0; i < rows; ++i) samples.push_back(static_cast<std::uint64_t>(i));
  random::Draws draws({seed, random::Purpose::evaluation}, samples);
  return draws.normals({columns}, at::kDouble);
}

std::vector<RoundTrip> trips_of(const at::Tensor& rows, bool from_noise = false) {
  std::vector<RoundTrip> trips;
  for (std::int64_t i = 0; i < rows.size(0); ++i) trips.push_back({.from_noise = from_noise, .condition = i, .start = rows[i]});
  return trips;
}

// v = slope y: Euler's map multiplies by 1 + h slope, and |h slope| is hL.
EulerMap linear(const at::Tensor& slope, std::int64_t num_steps) {
  const auto velocity = [slope](const at::Tensor& y, const auto&, const auto&) { return slope * y; };
  return {velocity, std::vector<double>(static_cast<std::size_t>(num_steps), 1.0 / static_cast<double>(num_steps))};
}
EulerMap linear(double slope, std::int64_t num_steps) { return linear(at::tensor({slope}, at::kDouble), num_steps); }

double rms(const at::Tensor& row) { return std::sqrt(row.square().mean().item<double>()); }

TEST(InverseSolver, PicardOnALinearFlowConvergesAtTheTheoreticalRate) {
  for (const double hl : {0.1, -0.3, 0.6}) {
    constexpr std::int64_t kSteps = 4;
    auto trips = trips_of(noise(3, 8));
    solve(linear(hl * kSteps, kSteps), {.tolerance = 1e-8, .max_iterations = 200, .anderson_memory = 0}, 2, trips);
    for (const auto& trip : trips) {
      EXPECT_TRUE(trip.converged);
      for (std::int64_t k = 0; k < kSteps; ++k) {
        const auto x = trip.start * std::pow(1.0 + hl, -k);  // exact
        const auto& step = trip.steps[static_cast<std::size_t>(k)];
        // The residual of iterate j is |hl|^(j+1) rms(x), which takes j + 1 evaluations.
        EXPECT_NEAR(static_cast<double>(step.iterations), std::log(1e-8 / rms(x)) / std::log(std::abs(hl)), 1.5) << hl;
        EXPECT_NEAR(step.contraction_ratio, std::abs(hl), 1e-7);  // moves of 1e-8 in double
        EXPECT_LE(step.residual, 1e-8);
      }
      // Each step adds at most tolerance / (1 - |hl|), and the next magnifies the error so far by at most 1/(1-|hl|).
      const double bound = 1e-8 * kSteps * std::pow(1.0 - std::abs(hl), -kSteps - 1);
      EXPECT_LE(rms(trip.path[kSteps] - trip.start * std::pow(1.0 + hl, -kSteps)), bound);
      EXPECT_LE(trip.error, 1e-8 * kSteps * std::pow(1.0 + std::abs(hl), kSteps));
    }
  }
}

TEST(InverseSolver, DetectsDivergenceFromOneOnAndAndersonConvergesAllTheSame) {
  for (const double hl : {1.0, 1.4, -2.5}) {
    auto trips = trips_of(noise(3, 8));
    solve(linear(hl * 2, 2), {.tolerance = 1e-8, .anderson_memory = 0}, 4, trips);
    for (const auto& trip : trips) {
      EXPECT_FALSE(trip.converged) << hl;
      EXPECT_EQ(trip.steps[0].iterations, 50);
      EXPECT_NEAR(trip.steps[0].contraction_ratio, std::abs(hl), 1e-9);
      EXPECT_NEAR(trip.steps[0].residual, std::abs(hl) * rms(trip.start), 1e-9) << "the best iterate is the first";
    }
    auto accelerated = trips_of(noise(3, 8));
    solve(linear(hl * 2, 2), {.tolerance = 1e-8}, 4, accelerated);
    for (const auto& trip : accelerated) {
      EXPECT_TRUE(trip.converged) << hl;
      EXPECT_LT(trip.steps[0].iterations, 10);
      EXPECT_LT(rms(trip.path[2] - trip.start * std::pow(1.0 + hl, -2)), 1e-6);
      EXPECT_LT(trip.error, 1e-6);
    }
  }
}

// Slopes of both signs, contracting and not: D = 6 unknown multipliers, which memory 6 solves as GMRES would, and memory 5 nearly.
TEST(InverseSolver, AndersonSolvesManyMultipliersAtOnce) {
  const auto slope = at::tensor({-0.9, 0.95, 1.3, -2.0, 0.2, -0.5}, at::kDouble);
  auto trips = trips_of(noise(4, 6));
  solve(linear(slope, 1), {.tolerance = 1e-7}, 4, trips);
  for (const auto& trip : trips) {
    EXPECT_TRUE(trip.converged);
    EXPECT_LT(trip.steps[0].iterations, 25);
    EXPECT_LT(rms(trip.path[1] * (1.0 + slope) - trip.start), 1.01e-7);
  }
}

// Data N(0, s^2): the exact velocity; at t = 1 - h the multiplier of Picard iteration is 1 - (s/h)^2 and a little.
TEST(InverseSolver, AndersonConvergesNearThinDataWherePicardDoesNot) {
  constexpr std::int64_t kSteps = 10;
  constexpr double kThin = 0.01;
  const auto velocity = [](const at::Tensor& y, const std::vector<std::int64_t>& steps_remaining, const auto&) {
    auto out = y.clone();
    for (std::size_t row = 0; row < steps_remaining.size(); ++row) {
      const double t = 1.0 - static_cast<double>(steps_remaining[row]) / kSteps;
      const double slope = (t * kThin * kThin - (1 - t)) / (t * t * kThin * kThin + (1 - t) * (1 - t));
      out[static_cast<std::int64_t>(row)].mul_(slope);
    }
    return out;
  };
  const EulerMap map{velocity, std::vector<double>(kSteps, 1.0 / kSteps)};
  const auto data = kThin * noise(6, 1);
  auto picard = trips_of(data), anderson = trips_of(data);
  solve(map, {.tolerance = 1e-9, .anderson_memory = 0}, 4, picard);
  solve(map, {.tolerance = 1e-9}, 4, anderson);
  for (std::size_t i = 0; i < picard.size(); ++i) {
    EXPECT_FALSE(picard[i].converged);
    EXPECT_GT(picard[i].steps[0].contraction_ratio, 0.98);
    EXPECT_TRUE(anderson[i].converged);
    EXPECT_LT(anderson[i].error, 1e-7);
    EXPECT_LT(anderson[i].steps[0].iterations, 8);
  }
}

// A nonlinear, contracting velocity with a condition and a step of its own for each row; elementwise, so that rows are independent.
EulerMap nonlinear(std::int64_t num_steps) {
  const auto velocity = [](const at::Tensor& y, const std::vector<std::int64_t>& steps_remaining,
                           const std::vector<std::int64_t>& condition) {
    std::vector<double> shift;
    for (std::size_t i = 0; i < condition.size(); ++i) {
      shift.push_back(0.3 * static_cast<double>(steps_remaining[i]) + 0.1 * static_cast<double>(condition[i]));
    }
    return (y * 1.7 + at::tensor(shift, at::kDouble).to(y.scalar_type()).unsqueeze(1)).sin() * 2.0;
  };
  return {velocity, std::vector<double>(static_cast<std::size_t>(num_steps), 1.0 / static_cast<double>(num_steps))};
}

void expect_equal(const RoundTrip& a, const RoundTrip& b) {
  EXPECT_TRUE(at::equal(a.path, b.path));
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.converged, b.converged);
  for (std::size_t k = 0; k < a.steps.size(); ++k) {
    EXPECT_EQ(a.steps[k].iterations, b.steps[k].iterations);
    EXPECT_EQ(a.steps[k].residual, b.steps[k].residual);
  }
}

TEST(InverseSolver, NoTripDependsOnTheOthersOrTheOrder) {
  const auto rows = noise(11, 5).to(at::kFloat) * at::tensor({0.5F, 1.0F, 2.0F, 4.0F, 0.1F});
  auto together = trips_of(rows);
  together[3].from_noise = true;
  const auto map = nonlinear(3);  // hL = 1.13: some rows accelerate
  solve(map, {}, 4, together);
  auto reversed = trips_of(rows);
  reversed[3].from_noise = true;
  std::reverse(reversed.begin(), reversed.end());
  solve(map, {}, 4, reversed);
  for (std::size_t i = 0; i < together.size(); ++i) {
    SCOPED_TRACE(i);
    expect_equal(together[i], reversed[together.size() - 1 - i]);
    std::vector<RoundTrip> alone{{.from_noise = together[i].from_noise, .condition = together[i].condition, .start = together[i].start}};
    solve(map, {}, 4, alone);
    expect_equal(together[i], alone.front());
  }
}

TEST(InverseSolver, KeepsEveryPlaceBusyAndCountsItsEvaluations) {
  std::int64_t calls = 0;
  auto map = nonlinear(6);
  const auto inner = map.velocity;
  map.velocity = [&](const at::Tensor& y, const auto& steps_remaining, const auto& condition) {
    ++calls;
    EXPECT_EQ(y.size(0), 4);
    return inner(y, steps_remaining, condition);
  };
  auto trips = trips_of(noise(40, 5));
  const auto evaluations = solve(map, {}, 4, trips);
  EXPECT_EQ(evaluations, 4 * calls);
  std::int64_t needed = 0, longest = 0;
  for (const auto& trip : trips) {
    std::int64_t own = 6;  // the way back
    for (const auto& step : trip.steps) own += step.iterations;
    needed += own;
    longest = std::max(longest, own);
  }
  EXPECT_GE(4 * calls, needed);
  EXPECT_LE(4 * calls, needed + 3 * longest) << "places idle only while the last trips end";
}

// Row 2's velocity is infinite from grid point 2 on.
TEST(InverseSolver, FreezesADivergedRowAndChangesNoOther) {
  auto map = nonlinear(4);
  const auto inner = map.velocity;
  const SolverOptions exact{.tolerance = 1e-9, .max_iterations = 300};
  auto right = trips_of(noise(5, 5));
  solve(map, exact, 3, right);
  map.velocity = [&](const at::Tensor& y, const std::vector<std::int64_t>& steps_remaining, const std::vector<std::int64_t>& condition) {
    auto v = inner(y, steps_remaining, condition);
    for (std::size_t i = 0; i < condition.size(); ++i) {
      if (condition[i] == 2 && steps_remaining[i] >= 2) v[static_cast<std::int64_t>(i)].fill_(std::nan(""));
    }
    return v;
  };
  auto trips = trips_of(noise(5, 5)), back = trips_of(noise(5, 5), /*from_noise=*/true);
  solve(map, exact, 3, trips);
  solve(map, exact, 3, back);
  for (const std::size_t i : {0, 1, 3, 4}) expect_equal(right[i], trips[i]);
  EXPECT_FALSE(trips[2].converged);
  EXPECT_TRUE(std::isinf(trips[2].error));
  EXPECT_TRUE(at::isfinite(trips[2].path).all().item<bool>());
  EXPECT_TRUE(at::equal(trips[2].path[4], right[2].path[1])) << "the last finite state is all that follows";
  EXPECT_EQ(trips[2].steps[0].iterations, right[2].steps[0].iterations);
  EXPECT_EQ(trips[2].steps[1].iterations, 1);
  EXPECT_TRUE(std::isnan(trips[2].steps[1].residual));
  EXPECT_EQ(trips[2].steps[2].iterations, 0);
  EXPECT_FALSE(back[2].converged);
  EXPECT_TRUE(std::isinf(back[2].error));
  EXPECT_LT(back[1].error, 1e-6);
}

TEST(InverseSolver, WithoutTripsDoesNothing) {
  std::vector<RoundTrip> none;
  EXPECT_EQ(solve(nonlinear(2), {}, 4, none), 0);
}

TEST(Anderson, WithOneMoveIsPicardAndWithEqualOnesStaysFinite) {
  const auto y = noise(3, 4), f = 0.1 * noise(3, 4, 2);
  EXPECT_TRUE(at::equal(anderson_next({y[0]}, {f[0]}), y[0] + f[0]));
  const auto same = anderson_next({y[0], y[0], y[0]}, {f[0], f[0], f[0]});
  EXPECT_TRUE(same.allclose(y[0] + f[0]));
}

// On g(y) = A y + b in two dimensions two differences determine the fixed point.
TEST(Anderson, FindsALinearFixedPointFromTwoDifferences) {
  const auto a = at::tensor({1.5, 0.4, -0.3, 0.7}, at::kDouble).view({2, 2}), b = at::tensor({1.0, -2.0}, at::kDouble);
  std::vector<at::Tensor> iterates{noise(1, 2)[0]}, moves;
  for (int j = 0; j < 3; ++j) {
    moves.push_back(a.mv(iterates.back()) + b - iterates.back());
    iterates.push_back(iterates.back() + moves.back());
  }
  iterates.pop_back();
  const auto y = anderson_next(iterates, moves);
  EXPECT_LT(rms(a.mv(y) + b - y), 1e-7);
}

}  // namespace
}  // namespace espalier::inverse_noise
