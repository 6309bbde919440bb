#include "runtime/selection/law.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

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

// Conditions of 4 samples; condition c has scores of 1 with probability p(c), else 0.
FilterInput bernoulli(std::int64_t conditions, const std::function<double(std::int64_t)>& p, std::uint64_t seed) {
  auto input = scored(conditions, 4);
  random::Draws draws({.seed = seed, .purpose = random::Purpose::evaluation}, {input.index.begin(), input.index.end()});
  draws.begin(0);
  const auto uniforms = draws.uniforms({});  // [N]
  for (std::size_t i = 0; i < input.score.size(); ++i) {
    input.score[i] = uniforms.const_data_ptr<double>()[i] < p(input.condition[i]) ? 1.0 : 0.0;
  }
  input.key = {seed, random::Purpose::filter};
  return input;
}

Law best_of(const FilterInput& input, bool by_condition = true) {
  return selection::law("filter.example", input, by_condition,
                        ByQuantile{[](double u, std::int64_t size) { return std::pow(u, static_cast<double>(size - 1)); }}, "best");
}

// The KL and E[u] of the best of 4 of a score of 1 with probability p.
std::pair<double, double> best_of_4(double p) {
  const double high = 1.0 - std::pow(1.0 - p, 4), low = 1.0 - high;
  const double kl = (high > 0.0 ? high * std::log(high / p) : 0.0) + (low > 0.0 ? low * std::log(low / (1.0 - p)) : 0.0);
  return {kl, high * (1.0 - 0.5 * p) + low * 0.5 * (1.0 - p)};
}

TEST(Law, WithTiesIsThatOfTheScoresLaw) {
  const auto law = best_of(bernoulli(20000, [](auto) { return 0.5; }, 3));
  EXPECT_NEAR(law.kl_nats, 0.459, 0.006);  // four standard errors, and the fit's bias
  EXPECT_NEAR(law.expected_quantile, 0.719, 0.006);
  EXPECT_DOUBLE_EQ(law.kl_bias, 5.6e-4);
  EXPECT_THAT(law.formula,
              HasSubstr("best, averaged over tied scores, estimated by their pattern of ties (bias of the KL at most 0.00056"));
}

// E[w^2] of the two values is 7.5^2/8^2 / 0.5 + 0.5^2/8^2 / 0.5.
TEST(Law, HasTheEffectiveSampleSizeOfKish) {
  const auto tied = best_of(bernoulli(5000, [](auto) { return 0.5; }, 3));
  EXPECT_NEAR(tied.effective_sample_size / 20000.0, 32.0 / (7.5 * 7.5 + 0.25), 0.02);
  const auto distinct = best_of(scored(100, 4));
  EXPECT_NEAR(distinct.effective_sample_size, 400.0 * 7.0 / 16.0, 1e-6);  // w = 4 u^3
  EXPECT_NEAR(distinct.reshaped_reward().back(), 0.0, 1e-9);              // the best of a group is accepted for certain
}

// Of prompts that differ, pooling the scores would estimate the law of the mixture.
TEST(Law, IsTheMeanOverConditionsAndPoolsNoScores) {
  const auto p = [](std::int64_t condition) { return (static_cast<double>(condition) + 0.5) / 500.0; };
  double kl = 0.0, quantile = 0.0;
  for (std::int64_t c = 0; c < 500; ++c) kl += best_of_4(p(c)).first / 500.0, quantile += best_of_4(p(c)).second / 500.0;
  const auto input = bernoulli(500, p, 5);
  const auto law = best_of(input);
  const double standard_error = (law.kl_interval.high - law.kl_interval.low) / 3.92;
  EXPECT_LT(standard_error, 0.02);
  EXPECT_NEAR(law.kl_nats, kl, 3.0 * standard_error);
  EXPECT_NEAR(law.expected_quantile, quantile, 3.0 * (law.quantile_interval.high - law.quantile_interval.low) / 3.92);
  double ones = 0.0;
  for (const double score : input.score) ones += score / 2000.0;
  EXPECT_GT(best_of_4(ones).first, kl + 5.0 * standard_error) << "the pooled estimate would not pass";
}

TEST(Law, IntervalsHoldTheLawNineteenTimesOfTwenty) {
  int kl = 0, quantile = 0;
  constexpr int kTrials = 100;
  const auto [true_kl, true_quantile] = best_of_4(0.3);
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto law = best_of(bernoulli(100, [](auto) { return 0.3; }, 100 + static_cast<std::uint64_t>(trial)));
    kl += law.kl_interval.low <= true_kl && true_kl <= law.kl_interval.high;
    quantile += law.quantile_interval.low <= true_quantile && true_quantile <= law.quantile_interval.high;
  }
  EXPECT_GE(kl, 88);  // of 95, four standard errors
  EXPECT_GE(quantile, 88);
  EXPECT_LE(kl + quantile, 199) << "the intervals are too wide";
}

TEST(Law, OfOneGroupHasNoInterval) { EXPECT_TRUE(std::isnan(best_of(scored(8, 4), /*by_condition=*/false).kl_interval.low)); }

// Accepted with a probability that is the score's rank: w = 2 u, whose KL is log 2 - 1/2.
TEST(Law, OfScoresInGroupsIsCorrectedFromSixteenSamplesOn) {
  constexpr std::int64_t kConditions = 400;
  const ByScoreInGroup by_rank{[](const std::vector<double>& ascending, std::int64_t) {
    std::vector<double> result;
    for (std::size_t i = 0; i < ascending.size(); ++i) {
      result.push_back(ascending.size() < 2 ? 0.5 : static_cast<double>(i) / static_cast<double>(ascending.size() - 1));
    }
    return result;
  }};
  const auto few = selection::law("filter.example", scored(kConditions, 8), true, by_rank, "");
  EXPECT_THAT(few.formula, HasSubstr("measured on groups of 8 samples or more"));
  EXPECT_THAT(few.formula, HasSubstr("corrected from 16 samples a group on"));
  const auto many = selection::law("filter.example", scored(kConditions, 16), true, by_rank, "");
  EXPECT_THAT(many.formula, HasSubstr("corrected by a delete-one jackknife"));
  const double truth = std::log(2.0) - 0.5;
  EXPECT_GT(std::abs(few.kl_nats - truth), 0.02);
  EXPECT_LT(std::abs(many.kl_nats - truth), 0.005);
}

}  // namespace
}  // namespace espalier::selection
