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

std::unique_ptr<Filter> top_k(const Options& options = {}) { return make<Filter>(plugin("filter.top_k"), options); }

Law law_of(const FilterInput& input, const Options& options = {}) { return espalier::law_of("filter.top_k", *top_k(options), input); }

// Groups of `group_size` consecutive rows.
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

// A finite law: five rewards, so that ties are everywhere.
constexpr std::array<double, 5> kReward = {0.0, 0.25, 0.5, 0.75, 1.0};
constexpr std::array<double, 6> kCumulative = {0.0, 0.1, 0.45, 0.6, 0.9, 1.0};

std::vector<double> tied_scores(std::size_t count, std::uint64_t seed) {
  auto scores = uniform_scores(count, seed);
  for (auto& score : scores) {
    std::size_t i = 0;
    while (score > kCumulative[i + 1]) {
      ++i;
    }
    score = kReward[i];
  }
  return scores;
}

TEST(TopK, Conforms) {
  check_filter(plugin("filter.top_k"), {}, input_of(uniform_scores(400, 1), 4));
  check_filter(plugin("filter.top_k"), {{"k", 3}}, input_of(uniform_scores(400, 2), 8));
  check_filter(plugin("filter.top_k"), {{"k", 50}, {"group_by", "all"}}, input_of(uniform_scores(400, 3), 4));
}

TEST(TopK, AcceptsTheBestOfEachCondition) {
  const auto selection = top_k()->select(input_of({0.1, 0.9, 0.3, 0.8, 0.7, 0.2}, 3));
  EXPECT_THAT(selection.index, ElementsAre(1, 3));
  EXPECT_THAT(selection.weight, ElementsAre(1.0, 1.0));
  EXPECT_THAT(top_k({{"k", 2}})->select(input_of({0.1, 0.9, 0.3, 0.8, 0.7, 0.2}, 3)).index, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(top_k({{"k", 2}, {"group_by", "all"}})->select(input_of({0.1, 0.9, 0.3, 0.8, 0.7, 0.2}, 3)).index, ElementsAre(1, 3));
}

// One million draws from a law with ties: the accepted rewards follow the mean of w over each reward's stretch of quantiles.
TEST(TopK, AcceptsTheTiedLaw) {
  const auto input = input_of(tied_scores(1000000, 4), 4);
  const auto selection = top_k()->select(input);
  ASSERT_EQ(selection.index.size(), 250000U);
  double chi_square = 0.0;
  double without_ties_averaged = 0.0;
  for (std::size_t value = 0; value < kReward.size(); ++value) {
    double found = 0.0;
    for (const auto index : selection.index) {
      found += input.score[static_cast<std::size_t>(index)] == kReward[value] ? 1.0 : 0.0;
    }
    const double expected = 250000.0 * (std::pow(kCumulative[value + 1], 4) - std::pow(kCumulative[value], 4));
    chi_square += (found - expected) * (found - expected) / expected;
    const double middle = 0.5 * (kCumulative[value] + kCumulative[value + 1]);
    const double wrong = 1e6 * std::pow(middle, 3) * (kCumulative[value + 1] - kCumulative[value]);
    without_ties_averaged += (found - wrong) * (found - wrong) / wrong;
  }
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom, p = 0.001
  EXPECT_GT(without_ties_averaged, 1000.0);
}

TEST(TopK, TiesAreBrokenUniformly) {
  const auto selection = top_k()->select(input_of(std::vector<double>(100000, 0.5), 5));
  std::array<double, 5> found{};
  for (const auto index : selection.index) {
    found[static_cast<std::size_t>(index % 5)] += 1.0;
  }
  double chi_square = 0.0;
  for (const double count : found) {
    chi_square += (count - 4000.0) * (count - 4000.0) / 4000.0;
  }
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom, p = 0.001
}

TEST(TopK, LawOfDistinctScoresIsTheContinuousOne) {
  const auto law = law_of(input_of(uniform_scores(400, 5), 4));
  EXPECT_NEAR(law.kl_nats, std::log(4.0) - 0.75, 1e-6);
  EXPECT_NEAR(law.acceptance_rate, 0.25, 1e-15);
  EXPECT_NEAR(law.expected_quantile, 0.8, 1e-8);
  EXPECT_THAT(law.formula, testing::EndsWith("k = 1, M = 4")) << "scores that differ have no ties to speak of";
}

TEST(TopK, LawOfEqualScoresIsTheBase) {
  const auto law = law_of(input_of(std::vector<double>(40, 0.5), 4));
  EXPECT_NEAR(law.kl_nats, 0.0, 1e-12);
  EXPECT_NEAR(law.expected_quantile, 0.5, 1e-12);
  EXPECT_THAT(law.density, testing::Each(testing::DoubleNear(1.0, 1e-12)));
  EXPECT_THAT(law.formula, HasSubstr("M = 4, averaged over tied scores; without ties the KL would be 0.636 nats, an upper bound"));
}

TEST(TopK, LawOfManyTiedScoresIsTheFiniteLaws) {
  const std::int64_t count = 20000;
  const auto law = law_of(input_of(tied_scores(static_cast<std::size_t>(count), 6), 4), {{"k", 5000}, {"group_by", "all"}});
  // Of 20,000 samples the best quarter: all rewards of 1.0 (a tenth) and half of those of 0.75 (three tenths).
  EXPECT_NEAR(law.kl_nats, 0.4 * std::log(4.0) + 0.6 * std::log(2.0), 0.02);
  EXPECT_NEAR(law.expected_quantile, 0.4 * 0.95 + 0.6 * 0.75, 0.005);
}

TEST(TopK, LawAveragesOverGroupsOfUnequalSize) {
  auto input = input_of(uniform_scores(8, 7), 4);
  input.score[1] = kNan;
  input.score[2] = kNan;
  const auto law = law_of(input);  // the best of 2 and the best of 4
  EXPECT_NEAR(law.kl_nats, 0.5 * (std::log(2.0) - 0.5 + std::log(4.0) - 0.75), 1e-6);
  EXPECT_NEAR(law.expected_quantile, 0.5 * (2.0 / 3.0 + 0.8), 1e-8);
  EXPECT_NEAR(law.acceptance_rate, 2.0 / 6.0, 1e-12);
}

TEST(TopK, AGroupWithFewerThanKValidScoresGivesAllOfThem) {
  const auto selection = top_k({{"k", 2}})->select(input_of({kNan, 0.1, kNan, 0.5, 0.4, 0.6}, 3));
  EXPECT_THAT(selection.index, ElementsAre(1, 3, 5));
}

TEST(TopK, RefusesAKThatNoGroupCanGive) {
  EXPECT_THAT([] { top_k({{"k", 5}})->select(input_of({0.1, 0.2, 0.3, 0.4}, 4)); },
              ThrowsMessage<StageError>(HasSubstr("k = 5, but no group has more than 4")));
  EXPECT_THROW(top_k()->select(input_of({kNan, kNan}, 2)), StageError);
  EXPECT_THROW(law_of({}), StageError);
}

}  // namespace
}  // namespace espalier::conformance
