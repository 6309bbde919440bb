#include "runtime/selection/intervals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "runtime/selection/quantile.h"

namespace espalier::intervals {
namespace {

// statsmodels 0.15: proportion_confint(count, nobs, 0.05, method="wilson").
TEST(Intervals, WilsonIsStatsmodels) {
  struct Known {
    double successes, trials, low, high;
  };
  for (const auto& [successes, trials, low, high] :
       {Known{0, 16, 0.0, 0.19360768053443655}, Known{1, 16, 0.011119344764642547, 0.28328737570298945},
        Known{3, 10, 0.10779126740630104, 0.6032218525388546}, Known{63, 64, 0.9166589839990573, 0.9972364580766624},
        Known{64, 64, 0.9433759402071946, 1.0}, Known{500, 1024, 0.45776625725134823, 0.5188838381558398}}) {
    EXPECT_NEAR(wilson(successes, trials).low, low, 1e-14) << successes << " of " << trials;
    EXPECT_NEAR(wilson(successes, trials).high, high, 1e-14) << successes << " of " << trials;
  }
}

TEST(Intervals, AShareOfNoneHasAnInterval) {
  const auto none = share(0, 64);
  EXPECT_EQ(none.value, 0.0);
  EXPECT_EQ(none.low, 0.0);
  EXPECT_NEAR(none.high, 1.959963984540054 * 1.959963984540054 / (64.0 + 1.959963984540054 * 1.959963984540054), 1e-12);
  EXPECT_EQ(share(64, 64).high, 1.0);
  EXPECT_LT(share(64, 64).low, 1.0);
  EXPECT_EQ(share(0, 0).value, 0.0);
}

// R's binom.confint(c(0, 7, 20), 20, methods = "wilson").
TEST(Intervals, WilsonIsThePublishedOne) {
  EXPECT_NEAR(wilson(7, 20).low, 0.1811918, 1e-7);
  EXPECT_NEAR(wilson(7, 20).high, 0.5671457, 1e-7);
  EXPECT_NEAR(wilson(0, 20).high, 0.1611252, 1e-7);
  EXPECT_EQ(wilson(0, 20).low, 0.0);
  EXPECT_NEAR(wilson(20, 20).low, 0.8388748, 1e-7);
  EXPECT_EQ(wilson(20, 20).high, 1.0);
  EXPECT_EQ(wilson(0, 0).low, 0.0);
  EXPECT_EQ(wilson(0, 0).high, 1.0);
}

TEST(Intervals, OfClustersOfOneAreWilsonsWithTheSampleVariance) {
  std::vector<double> successes(50, 1.0), trials(50, 1.0);
  for (int i = 0; i < 20; ++i) successes[static_cast<std::size_t>(i)] = 0.0;
  const auto found = wilson_of_clusters(successes, trials), expected = wilson(30.0 * 49 / 50, 49.0);
  EXPECT_NEAR(found.low, expected.low, 1e-12);
  EXPECT_NEAR(found.high, expected.high, 1e-12);
  const std::vector<double> all(10, 18.0);
  EXPECT_NEAR(wilson_of_clusters(all, all).low, wilson(10, 10).low, 1e-12);  // ten molecules, not 180 atoms
  EXPECT_EQ(wilson_of_clusters({}, {}).high, 1.0);
}

// Molecules differ in how stable their atoms are: an interval over atoms would be too narrow.
TEST(Intervals, OfClustersHoldTheTrueShareAsOftenAsStated) {
  std::mt19937 engine(7);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  constexpr int kStudies = 1000;
  int held = 0, held_over_atoms = 0;
  for (int study = 0; study < kStudies; ++study) {
    std::vector<double> successes, trials;
    for (int molecule = 0; molecule < 100; ++molecule) {
      const int atoms = 8 + static_cast<int>(engine() % 20);
      const double p = uniform(engine) < 0.3 ? 0.5 : 1.0;  // mean 0.85
      double stable = 0.0;
      for (int atom = 0; atom < atoms; ++atom) stable += uniform(engine) < p ? 1.0 : 0.0;
      successes.push_back(stable);
      trials.push_back(atoms);
    }
    const auto clusters = wilson_of_clusters(successes, trials);
    double stable = 0.0, atoms = 0.0;
    for (std::size_t i = 0; i < trials.size(); ++i) {
      stable += successes[i];
      atoms += trials[i];
    }
    const auto naive = wilson(stable, atoms);
    held += clusters.low <= 0.85 && 0.85 <= clusters.high ? 1 : 0;
    held_over_atoms += naive.low <= 0.85 && 0.85 <= naive.high ? 1 : 0;
  }
  RecordProperty("held", held);
  RecordProperty("held_over_atoms", held_over_atoms);
  EXPECT_GE(held, 925);  // 95 % less four standard errors
  EXPECT_LE(held, 978);
  EXPECT_LT(held_over_atoms, 850);
}

TEST(Intervals, AShareOfClustersHasTheirIntervalAndCount) {
  const std::vector<double> successes = {2.0, 4.0, 3.0}, trials(3, 4.0);
  const auto found = share_of_clusters(successes, trials);
  const auto [low, high] = wilson_of_clusters(successes, trials);
  EXPECT_DOUBLE_EQ(found.value, 0.75);
  EXPECT_EQ(found.low, low);
  EXPECT_EQ(found.high, high);
  EXPECT_EQ(found.kind, Kind::wilson);
  EXPECT_EQ(found.count, 3);
  EXPECT_EQ(share_of_clusters({}, {}).value, 0.0);
}

// numpy.quantile([1, 2, 4, 8], ...)
TEST(Quantile, IsNumpys) {
  const std::vector<double> values = {1.0, 2.0, 4.0, 8.0};
  EXPECT_DOUBLE_EQ(selection::quantile(values, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(selection::quantile(values, 0.5), 3.0);
  EXPECT_DOUBLE_EQ(selection::quantile(values, 0.975), 7.7);
  EXPECT_DOUBLE_EQ(selection::quantile(values, 1.0), 8.0);
  EXPECT_TRUE(std::isnan(selection::quantile({}, 0.5)));
}

// Three prompts that chance made nearly alike: twelve samples are no more than twelve trials.
TEST(Intervals, OfClustersCountNoMoreTrialsThanThereAre) {
  const std::vector<double> successes = {2.0, 2.0, 3.0}, trials(3, 4.0);
  const auto found = wilson_of_clusters(successes, trials), expected = wilson(7, 12);
  EXPECT_NEAR(found.low, expected.low, 1e-12);
  EXPECT_NEAR(found.high, expected.high, 1e-12);
}

}  // namespace
}  // namespace espalier::intervals
