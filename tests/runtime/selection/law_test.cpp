#include "runtime/selection/law.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "runtime/base/errors.h"
#include "runtime/selection/accepted_density.h"
#include "runtime/selection/incomplete_beta.h"

namespace espalier::selection {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

double among_best(double u, std::int64_t k, std::int64_t size) {
  return k >= size ? 1.0 : incomplete_beta(u, static_cast<double>(size - k), static_cast<double>(k));
}

// Of the k best of M.
AcceptedDensity best(std::int64_t k, std::int64_t size) {
  return {[=](double u) { return among_best(u, k, size); }, size};
}

TEST(AcceptedDensity, HasTheKlOfMethodsTable) {
  struct Case {
    std::int64_t k, group_size;
    double kl;
  };
  for (const auto& [k, group_size, kl] : {Case{1, 2, 0.193}, Case{1, 4, 0.636}, Case{1, 8, 1.204}, Case{1, 16, 1.835}, Case{1, 100, 3.615},
                                          Case{2, 4, 0.297}, Case{10, 100, 2.019}, Case{25, 100, 1.227}, Case{50, 100, 0.603}}) {
    EXPECT_NEAR(best(k, group_size).kl(), kl, 5.1e-4) << k << "/" << group_size;
  }
}

TEST(AcceptedDensity, BestOfNHasTheClosedForm) {
  for (const std::int64_t m : {2, 3, 4, 7, 64, 1000, 20000}) {
    const auto size = static_cast<double>(m);
    const auto curve = best(1, m);
    EXPECT_NEAR(curve.kl(), std::log(size) - (size - 1) / size, 1e-6) << m;
    EXPECT_NEAR(curve.density(0.9), size * std::pow(0.9, size - 1), 1e-10 * size);
    EXPECT_NEAR(curve.accepted(0.0, 0.5), std::pow(0.5, size), 1e-9);
  }
}

TEST(AcceptedDensity, IsTheSumOfOrderStatistics) {
  const auto curve = best(3, 7);
  for (const double u : {0.0, 0.1, 0.5, 0.93, 1.0}) {
    // C(6, j) = 1, 6, 15
    const double expected = 7.0 / 3.0 * (std::pow(u, 6) + 6 * std::pow(u, 5) * (1 - u) + 15 * std::pow(u, 4) * (1 - u) * (1 - u));
    EXPECT_NEAR(curve.density(u), expected, 1e-12) << u;
  }
}

TEST(AcceptedDensity, HasTheClosedFormMeanQuantileAndMassOne) {
  for (const auto& [k, m] : {std::pair{1, 4}, {2, 4}, {4, 4}, {25, 100}, {500, 10000}, {1, 20000}}) {
    const auto curve = best(k, m);
    EXPECT_NEAR(curve.accepted(0.0, 1.0), 1.0, 1e-9);
    EXPECT_NEAR(curve.quantile_sum(0.0, 1.0), 1.0 - (k + 1.0) / (2.0 * (m + 1.0)), 1e-8) << k << "/" << m;
  }
}

TEST(AcceptedDensity, AcceptingAllIsTheBase) {
  const auto curve = best(4, 4);
  EXPECT_NEAR(curve.kl(), 0.0, 1e-14);
  EXPECT_NEAR(curve.density(0.3), 1.0, 1e-14);
}

TEST(IncompleteBeta, AgreesWithKnownValues) {
  EXPECT_NEAR(incomplete_beta(0.3, 1.0, 1.0), 0.3, 1e-15);
  EXPECT_NEAR(incomplete_beta(0.5, 17.0, 17.0), 0.5, 1e-13);
  EXPECT_NEAR(incomplete_beta(0.25, 0.5, 0.5), 1.0 / 3.0, 1e-13);  // 2/pi asin(sqrt(x))
  EXPECT_NEAR(incomplete_beta(0.2, 2.0, 3.0), 0.1808, 1e-13);      // x^2 (6 - 8 x + 3 x^2)
  EXPECT_NEAR(incomplete_beta(0.9, 900000.0, 100000.0), 0.5, 1e-3);
}

// The integral between two quantiles that are no nodes.
TEST(AcceptedDensity, IntegratesBetweenAnyQuantiles) {
  const auto curve = best(1, 3);  // w = 3 u^2
  EXPECT_NEAR(curve.accepted(0.12345, 0.77777), std::pow(0.77777, 3) - std::pow(0.12345, 3), 1e-13);
  EXPECT_NEAR(curve.quantile_sum(0.12345, 0.77777), 0.75 * (std::pow(0.77777, 4) - std::pow(0.12345, 4)), 1e-13);
  const auto antiderivative = [](double u) { return u * u * u * (std::log(3.0 * u * u) - 2.0 / 3.0); };
  EXPECT_NEAR(curve.kl(0.12345, 0.77777), antiderivative(0.77777) - antiderivative(0.12345), 1e-12);
}

// `groups` conditions of `size` samples with distinct scores.
FilterInput scored(std::int64_t groups, std::int64_t size) {
  FilterInput input;
  for (std::int64_t i = 0; i < groups * size; ++i) {
    input.index.push_back(i);
    input.condition.push_back(i % groups);
    input.score.push_back(static_cast<double>((i * 7919) % (groups * size)) / static_cast<double>(groups * size));
  }
  return input;
}

// Reward of a threshold: p(. given r >= c), whose KL is -log P(r >= c).
TEST(Law, OfAThresholdIsMeasuredFromTheScores) {
  const auto above = ByScore{[](double score) { return score >= 0.75 ? 1.0 : 0.0; }};
  const auto law = selection::law("filter.example", scored(1, 400), true, above, "r >= c");
  EXPECT_NEAR(law.acceptance_rate, 0.25, 1e-12);
  EXPECT_NEAR(law.kl_nats, std::log(4.0), 1e-12);
  EXPECT_NEAR(law.expected_quantile, 0.875, 1e-12);
  EXPECT_EQ(law.density.front(), 0.0);
  EXPECT_NEAR(law.density.back(), 4.0, 1e-12);
  EXPECT_EQ(law.formula, "r >= c");
}

// Exponential tilting of a uniform score: p^a ~ exp(u / beta), whose KL is E[u] / beta - log(beta (exp(1/beta) - 1)).
TEST(Law, OfExponentialAcceptanceIsTheTilt) {
  constexpr double kBeta = 0.5;
  const auto tilt = ByScore{[](double score) { return std::exp((score - 1.0) / kBeta); }};
  const auto law = selection::law("filter.example", scored(1, 20000), false, tilt, "");
  const double e = std::exp(1.0 / kBeta), normaliser = kBeta * (e - 1.0), mean = (kBeta * e - kBeta * normaliser) / normaliser;
  EXPECT_NEAR(law.expected_quantile, mean, 1e-3);
  EXPECT_NEAR(law.kl_nats, mean / kBeta - std::log(normaliser), 1e-3);
  EXPECT_NEAR(law.acceptance_rate, normaliser / e, 1e-3);
}

TEST(Law, CountsGroupsThatAcceptNothingIntoTheRate) {
  auto input = scored(2, 8);
  for (std::size_t i = 0; i < 8; ++i) input.score[i] = std::numeric_limits<double>::quiet_NaN();  // half of each group
  const auto pairs_only = ByQuantile{[](double, std::int64_t size) { return size == 4 ? 0.5 : 0.0; }};
  EXPECT_NEAR(selection::law("filter.example", input, true, pairs_only, "").acceptance_rate, 0.5, 1e-12);
  input.score[0] = 0.3;  // a group of 5, which accepts nothing
  EXPECT_NEAR(selection::law("filter.example", input, true, pairs_only, "").acceptance_rate, 0.5 * 4.0 / 9.0, 1e-12);
}

TEST(Law, RefusesWhatIsNoProbabilityAndWhatAcceptsNothing) {
  const auto law_with = [](const Acceptance& acceptance) { selection::law("filter.example", scored(2, 4), true, acceptance, ""); };
  EXPECT_THAT([&] { law_with(ByQuantile{[](double, std::int64_t) { return 1.5; }}); },
              ThrowsMessage<PluginError>(HasSubstr("filter.example: acceptance() gave the probability 1.5 for the quantile")));
  EXPECT_THAT([&] { law_with(ByScore{[](double) { return std::nan(""); }}); },
              ThrowsMessage<PluginError>(HasSubstr("the probability nan for the score")));
  EXPECT_THAT([&] { law_with(ByScore{[](double) { return 0.0; }}); },
              ThrowsMessage<StageError>(HasSubstr("none of 8 samples with a finite score can be accepted")));
  EXPECT_THAT([&] { law_with(ByQuantile{[](double, std::int64_t) { return 0.0; }}); }, ThrowsMessage<StageError>(HasSubstr("none of 8")));
}

}  // namespace
}  // namespace espalier::selection
