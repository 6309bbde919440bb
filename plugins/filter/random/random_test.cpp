#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::unique_ptr<Filter> random_filter(const Options& options = {}) { return make<Filter>(plugin("filter.random"), options); }

// Groups of `group_size` consecutive rows.
FilterInput input_of(std::vector<double> score, std::int64_t group_size) {
  FilterInput input;
  input.score = std::move(score);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(input.score.size()); ++i) {
    input.condition.push_back(i / group_size);
    input.index.push_back(i);
  }
  input.key = {1, random::Purpose::filter};
  return input;
}

// Scores of which the last of each group is the best.
std::vector<double> rising_scores(std::int64_t count, std::int64_t group_size) {
  std::vector<double> score;
  for (std::int64_t i = 0; i < count; ++i) score.push_back(static_cast<double>(i % group_size) + 1e-6 * static_cast<double>(i));
  return score;
}

TEST(Random, Conforms) {
  check_filter(plugin("filter.random"), {}, input_of(rising_scores(400, 4), 4));
  check_filter(plugin("filter.random"), {{"k", 3}}, input_of(rising_scores(400, 8), 8));
}

TEST(Random, AcceptsEachSampleOfAGroupAlikeWhateverItsScore) {
  const auto selection = random_filter({{"k", 2}})->select(input_of(rising_scores(100000, 5), 5));
  ASSERT_EQ(selection.index.size(), 40000U);
  std::array<double, 5> found{};
  for (const auto index : selection.index) found[static_cast<std::size_t>(index % 5)] += 1.0;
  double chi_square = 0.0;
  for (const double count : found) chi_square += (count - 8000.0) * (count - 8000.0) / 8000.0;
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom, p = 0.001
}

TEST(Random, ScoresDoNotChangeTheChoice) {
  const auto rising = input_of(rising_scores(400, 4), 4);
  auto falling = rising;
  for (double& score : falling.score) score = -score;
  EXPECT_EQ(random_filter()->select(rising).index, random_filter()->select(falling).index);
}

// Of samples that tie filter.top_k keeps the one with the largest draw of ordinal 0.
TEST(Random, ItsDrawsAreNotThoseThatBreakTies) {
  const std::int64_t count = 40000;
  const auto all = input_of(std::vector<double>(count, 0.5), 2);
  std::vector<std::uint64_t> samples(all.index.begin(), all.index.end());
  random::Draws draws(all.key, samples);
  draws.begin(0);
  const auto ties = draws.uniforms({});
  const auto* tie = ties.const_data_ptr<double>();
  double winners = 0.0;
  for (const auto index : random_filter()->select(all).index) winners += tie[index] > tie[index ^ 1] ? 1.0 : 0.0;
  EXPECT_NEAR(winners / 20000.0, 0.5, 0.014);  // four standard errors
}

TEST(Random, TheLawIsTheBase) {
  const auto filter = random_filter();
  const auto law = law_of("filter.random", *filter, input_of(rising_scores(40, 4), 4));
  EXPECT_DOUBLE_EQ(law.acceptance_rate, 0.25);
  EXPECT_NEAR(law.kl_nats, 0.0, 1e-12);
  EXPECT_NEAR(law.expected_quantile, 0.5, 1e-12);
  EXPECT_THAT(law.density, testing::Each(testing::DoubleNear(1.0, 1e-12)));
}

TEST(Random, NeverAcceptsAnInvalidScore) {
  EXPECT_THAT(random_filter()->select(input_of({kNan, 0.1, 0.4, kNan}, 2)).index, ElementsAre(1, 2));
}

TEST(Random, AGroupWithFewerThanKValidScoresGivesAllOfThem) {
  EXPECT_THAT(random_filter({{"k", 2}})->select(input_of({kNan, 0.1, 0.5, 0.4}, 2)).index, ElementsAre(1, 2, 3));
}

TEST(Random, RefusesAKThatNoGroupCanGive) {
  EXPECT_THAT([] { random_filter({{"k", 3}})->select(input_of({0.1, 0.2, 0.3, 0.4}, 2)); },
              ThrowsMessage<StageError>(HasSubstr("k = 3, but no condition has more than 2")));
  EXPECT_THROW(random_filter()->select(input_of({kNan, kNan}, 2)), StageError);
  EXPECT_THAT([] { random_filter({{"k", 3}})->check_view({.tag = "samples", .size = 4, .samples_per_condition = 2}); },
              ThrowsMessage<ConfigError>(HasSubstr("k = 3, but a condition has 2 samples")));
}

}  // namespace
}  // namespace espalier::conformance
