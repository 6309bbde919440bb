#include "runtime/selection/measured_law.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "runtime/selection/bootstrap.h"

namespace espalier::selection {
namespace {

TEST(MeasuredLaw, SpreadsASharedScoreOverItsStretch) {
  const auto law = measured_law({{0, 1.0, 1.0}, {0, 2.0, 1.0}, {0, 2.0, 0.0}, {0, 3.0, 0.0}}, {});
  EXPECT_DOUBLE_EQ(law.acceptance_rate, 0.5);
  EXPECT_DOUBLE_EQ(law.density[0], 2.0);   // u below 1/4
  EXPECT_DOUBLE_EQ(law.density[15], 1.0);  // 1/4 to 3/4
  EXPECT_DOUBLE_EQ(law.density[16], 1.0);
  EXPECT_DOUBLE_EQ(law.density[31], 0.0);
  EXPECT_DOUBLE_EQ(law.expected_quantile, 0.5 * 0.125 + 0.5 * 0.5);
  EXPECT_DOUBLE_EQ(law.kl_nats, std::log(2.0));
}

TEST(MeasuredLaw, WeighsGroupsByWhatTheyAccept) {
  // Group 0 accepts 2 of 2, group 1 one of 3, group 2 nothing.
  const auto law = measured_law({{1, 0.0, 0.0}, {0, 5.0, 1.0}, {1, 1.0, 1.0}, {0, 4.0, 1.0}, {1, 0.5, 0.0}, {2, 0.0, 0.0}}, {});
  EXPECT_DOUBLE_EQ(law.acceptance_rate, 0.5);
  EXPECT_DOUBLE_EQ(law.kl_nats, std::log(3.0) / 3.0);
  EXPECT_DOUBLE_EQ(law.expected_quantile, (2.0 * 0.5 + 5.0 / 6.0) / 3.0);
}

TEST(MeasuredLaw, HasMassOneWhateverTheGroupsSize) {
  for (const int size : {1, 3, 7, 31, 32, 33, 1000}) {
    std::vector<Judged> samples;
    for (int i = 0; i < size; ++i) samples.push_back({0, static_cast<double>(i), 1.0 / (1 + i % 3)});
    const auto law = measured_law(samples, {});
    EXPECT_NEAR(std::accumulate(law.density.begin(), law.density.end(), 0.0) / kLevels, 1.0, 1e-12) << size;
  }
}

TEST(MeasuredLaw, DrawsConditionsAgainWithinOneGroup) {
  // A threshold on all samples: of conditions of 10 samples c accept 10 c / 39.
  std::vector<Judged> samples;
  for (int i = 0; i < 400; ++i) samples.push_back({0, static_cast<double>(i), i % 10 < i / 10 * 10 / 39 ? 1.0 : 0.0, i / 10});
  const auto law = measured_law(samples, {1, random::Purpose::filter});
  double mean = 0.0, square = 0.0;
  for (int c = 0; c < 40; ++c) {
    const double share = c * 10 / 39 / 10.0;
    mean += share / 40.0, square += share * share / 40.0;
  }
  EXPECT_NEAR(law.kl_nats, -std::log(mean), 1e-12);
  const double standard_error = std::sqrt((square - mean * mean) / 40.0) / mean;  // of -log of the mean share
  EXPECT_NEAR((law.kl_interval.high - law.kl_interval.low) / 3.92, standard_error, 0.1 * standard_error);
  EXPECT_TRUE(std::isnan(measured_law({{0, 1.0, 1.0}, {0, 2.0, 0.0}}, {}).kl_interval.low)) << "one condition";
}

// Samples with ties, accepted by score and chance; each condition likes other scores. One group in all, or one a condition.
std::vector<Judged> conditions_of_four(std::int64_t conditions, bool together) {
  std::vector<Judged> samples;
  for (std::int64_t c = 0; c < conditions; ++c) {
    random::Draws draws({5, random::Purpose::filter}, {static_cast<std::uint64_t>(c)});
    draws.begin(0);
    const auto uniform = draws.uniforms({5});
    const auto u = uniform.accessor<double, 2>()[0];
    for (int i = 0; i < 4; ++i) {
      const double score = std::floor(4.0 * u[i] + 3.0 * u[4]);
      samples.push_back({together ? 0 : c, score, std::exp(0.4 * (score - 6.0)), c});
    }
  }
  return samples;
}

TEST(MeasuredLaw, OfManyConditionsHasTheBootstrapsInterval) {
  for (const bool together : {true, false}) {
    const std::map<std::int64_t, Correction> corrections = {{0, {0.05, -0.02}}};
    const auto few = measured_law(conditions_of_four(intervals::kManyRows - 1, together), {1, random::Purpose::filter}, corrections);
    const auto many = measured_law(conditions_of_four(intervals::kManyRows, together), {1, random::Purpose::filter}, corrections);
    for (const auto interval : {&Law::kl_interval, &Law::quantile_interval}) {
      const double by_bootstrap = (few.*interval).high - (few.*interval).low, width = (many.*interval).high - (many.*interval).low;
      EXPECT_GT(width, 0.0);
      EXPECT_NEAR(width, by_bootstrap, 0.07 * by_bootstrap) << together;  // 2,000 resamples: 4 standard errors are 7 %
    }
    EXPECT_NEAR(0.5 * (many.kl_interval.low + many.kl_interval.high), many.kl_nats, 1e-12);
  }
}

TEST(MeasuredLaw, AddsCorrectionsByWhatTheirGroupsAccept) {
  const std::vector<Judged> samples = {{0, 1.0, 1.0}, {0, 2.0, 0.0}, {1, 1.0, 1.0}, {1, 2.0, 1.0}};
  const auto law = measured_law(samples, {}, {{0, {0.3, 0.03}}, {1, {0.6, 0.0}}});
  EXPECT_NEAR(law.kl_nats, (std::log(2.0) + 0.3 + 2.0 * 0.6) / 3.0, 1e-12);
  EXPECT_NEAR(law.expected_quantile, (0.25 + 0.03 + 2.0 * 0.5) / 3.0, 1e-12);
  EXPECT_NEAR(law.effective_sample_size, 3.0, 1e-12);
}

}  // namespace
}  // namespace espalier::selection
