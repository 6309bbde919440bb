#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::unique_ptr<Filter> threshold(double least) { return make<Filter>(plugin("filter.threshold"), {{"threshold", least}}); }

FilterInput input_of(const std::vector<double>& score, std::int64_t group_size) {
  FilterInput input;
  input.score = score;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(score.size()); ++i) {
    input.condition.push_back(i / group_size);
    input.index.push_back(i);
  }
  input.key = {1, random::Purpose::filter};
  return input;
}

std::vector<double> uniform_scores(std::size_t count, std::uint64_t seed) {
  random::Draws draws({seed, random::Purpose::evaluation}, {0});
  draws.begin(0);
  const auto values = draws.uniforms({static_cast<std::int64_t>(count)});
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + count};
}

TEST(Threshold, Conforms) { check_filter(plugin("filter.threshold"), {{"threshold", 0.6}}, input_of(uniform_scores(4000, 1), 4)); }

TEST(Threshold, AcceptsWhatReachesIt) {
  const auto selection = threshold(0.4)->select(input_of({0.4, 0.1, kNan, 0.9, 0.2, std::numeric_limits<double>::infinity()}, 3));
  EXPECT_THAT(selection.index, ElementsAre(0, 3));
  EXPECT_THAT(selection.weight, ElementsAre(1.0, 1.0));
}

// One million draws from a law with ties: the accepted rewards follow p(. given r >= c), where c itself is accepted.
TEST(Threshold, AcceptsTheTiedLaw) {
  constexpr std::array<double, 4> kProbability = {0.4, 0.35, 0.15, 0.1};
  auto scores = uniform_scores(1000000, 2);
  for (auto& score : scores) score = score < 0.4 ? 0.0 : score < 0.75 ? 0.25 : score < 0.9 ? 0.5 : 1.0;
  const auto input = input_of(scores, 4);
  std::array<double, 4> found{};
  const auto accepted = threshold(0.25)->select(input).index;
  for (const auto index : accepted) {
    const double score = scores[static_cast<std::size_t>(index)];
    ++found[score == 0.0 ? 0 : score == 0.25 ? 1 : score == 0.5 ? 2 : 3];
  }
  EXPECT_EQ(found[0], 0.0);
  double chi_square = 0.0;
  for (std::size_t i = 1; i < 4; ++i) {
    const double expected = static_cast<double>(accepted.size()) * kProbability[i] / 0.6;
    chi_square += (found[i] - expected) * (found[i] - expected) / expected;
  }
  EXPECT_LT(chi_square, 13.8);  // 2 degrees of freedom, p = 0.001
  const auto law = law_of("filter.threshold", *threshold(0.25), input);
  EXPECT_NEAR(law.acceptance_rate, 0.6, 0.002);  // four standard errors
  EXPECT_NEAR(law.kl_nats, -std::log(0.6), 0.004);
  EXPECT_NEAR(law.expected_quantile, 0.7, 0.002);
  EXPECT_NEAR(law.effective_sample_size, static_cast<double>(accepted.size()), 1e-6);
  EXPECT_LT(law.kl_interval.low, -std::log(0.6));
  EXPECT_GT(law.kl_interval.high, -std::log(0.6));
}

TEST(Threshold, RefusesWhatLeavesNothingAndNeedsItsOption) {
  EXPECT_THAT([] { law_of("filter.threshold", *threshold(2.0), input_of({0.1, 0.2}, 2)); },
              ThrowsMessage<StageError>(HasSubstr("none of 2 samples with a finite score can be accepted")));
  EXPECT_ANY_THROW(make<Filter>(plugin("filter.threshold"), {}));
}

}  // namespace
}  // namespace espalier::conformance
