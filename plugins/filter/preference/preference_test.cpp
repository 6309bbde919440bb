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
constexpr double kTemperature = 0.3;
const Options kBradleyTerry = {{"model", "bradley_terry"}, {"temperature", kTemperature}};

std::unique_ptr<Filter> preference(const Options& options = {}) { return make<Filter>(plugin("filter.preference"), options); }

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

// A finite law: four rewards, so that ties are everywhere.
constexpr std::array<double, 4> kReward = {0.0, 0.25, 0.5, 1.0};
constexpr std::array<double, 4> kProbability = {0.4, 0.35, 0.15, 0.1};

std::vector<double> tied_scores(std::size_t count, std::uint64_t seed) {
  auto scores = uniform_scores(count, seed);
  for (auto& score : scores) score = score < 0.4 ? 0.0 : score < 0.75 ? 0.25 : score < 0.9 ? 0.5 : 1.0;
  return scores;
}

// w of each reward: twice its probability of winning against another sample.
template <class Wins>
std::array<double, 4> densities(const Wins& wins) {
  std::array<double, 4> w{};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) w[i] += 2.0 * kProbability[j] * wins(kReward[i] - kReward[j]);
  }
  return w;
}

const auto kHigher = [](double difference) { return difference > 0.0 ? 1.0 : difference < 0.0 ? 0.0 : 0.5; };
const auto kSigmoid = [](double difference) { return 1.0 / (1.0 + std::exp(-difference / kTemperature)); };

double chi_square(const FilterInput& input, const std::vector<std::int64_t>& accepted, const std::array<double, 4>& w) {
  double sum = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    double found = 0.0;
    for (const auto index : accepted) found += input.score[static_cast<std::size_t>(index)] == kReward[i] ? 1.0 : 0.0;
    const double expected = static_cast<double>(accepted.size()) * kProbability[i] * w[i];
    sum += (found - expected) * (found - expected) / expected;
  }
  return sum;
}

double kl_of(const std::array<double, 4>& w) {
  double kl = 0.0;
  for (std::size_t i = 0; i < 4; ++i) kl += kProbability[i] * w[i] * std::log(w[i]);
  return kl;
}

TEST(Preference, Conforms) {
  check_filter(plugin("filter.preference"), {}, input_of(uniform_scores(400, 1), 2));
  check_filter(plugin("filter.preference"), {}, input_of(uniform_scores(400, 2), 5));
  check_filter(plugin("filter.preference"), kBradleyTerry, input_of(uniform_scores(2000, 3), 100));
}

TEST(Preference, AcceptsTheWinnerOfEachPairOfACondition) {
  const auto selection = preference()->select(input_of({0.1, 0.9, 0.3, 0.8, 0.7, 0.9}, 3));  // two conditions of three
  EXPECT_THAT(selection.index, ElementsAre(1, 3));                                           // the third has no partner
  EXPECT_THAT(selection.weight, ElementsAre(1.0, 1.0));
  EXPECT_THAT(preference()->select(input_of({0.1, kNan, 0.3, 0.2}, 4)).index, ElementsAre(2)) << "of those with a finite score";
}

// One million draws from a law with ties.
TEST(Preference, AcceptsTheTiedLaw) {
  const auto input = input_of(tied_scores(1000000, 4), 4);
  const auto accepted = preference()->select(input).index;
  ASSERT_EQ(accepted.size(), 500000U);
  EXPECT_LT(chi_square(input, accepted, densities(kHigher)), 16.3);  // 3 degrees of freedom, p = 0.001
  EXPECT_GT(chi_square(input, accepted, densities(kSigmoid)), 1000.0);
}

TEST(Preference, AcceptsTheLawOfBradleyAndTerry) {
  const auto input = input_of(tied_scores(1000000, 5), 4);
  const auto accepted = preference(kBradleyTerry)->select(input).index;
  ASSERT_EQ(accepted.size(), 500000U);
  EXPECT_LT(chi_square(input, accepted, densities(kSigmoid)), 16.3);
}

TEST(Preference, ATieIsWonByEither) {
  const auto accepted = preference()->select(input_of(std::vector<double>(100000, 0.5), 2)).index;
  double first = 0.0;
  for (const auto index : accepted) first += index % 2 == 0 ? 1.0 : 0.0;
  EXPECT_NEAR(first / 50000.0, 0.5, 0.009);  // four standard errors
}

// Of pairs of a continuous score 0.193 nats; the law of ties from all of a condition's samples, not from the pairs alone.
TEST(Preference, HasTheLawOfTheBetterOfTwo) {
  const auto distinct = law_of("filter.preference", *preference(), input_of(uniform_scores(400, 6), 4));
  EXPECT_NEAR(distinct.kl_nats, 0.193, 5e-4);
  EXPECT_NEAR(distinct.expected_quantile, 2.0 / 3.0, 1e-8);
  EXPECT_NEAR(distinct.acceptance_rate, 0.5, 1e-12);
  for (const std::int64_t size : {4, 8, 12}) {
    const auto tied = law_of("filter.preference", *preference(), input_of(tied_scores(static_cast<std::size_t>(size) * 20000, 7), size));
    EXPECT_NEAR(tied.kl_nats, kl_of(densities(kHigher)), tied.kl_bias + 0.003) << size;
    EXPECT_LT(tied.kl_bias, 0.004) << size;
    EXPECT_LE(tied.acceptance_rate, 0.5);
  }
}

TEST(Preference, ReportsTheLawOfBradleyAndTerry) {
  const auto law = law_of("filter.preference", *preference(kBradleyTerry), input_of(tied_scores(std::size_t{32} * 1000, 8), 32));
  EXPECT_NEAR(law.kl_nats, kl_of(densities(kSigmoid)), 0.004);
  EXPECT_NEAR(law.acceptance_rate, 0.5, 1e-9);
}

TEST(Preference, RefusesWhatHasNoPair) {
  EXPECT_THAT([] { preference()->select(input_of({0.1, 0.2}, 1)); },
              ThrowsMessage<StageError>(HasSubstr("no condition has 2 samples with a finite score (of 2 in all)")));
  EXPECT_THAT([] { preference()->check_view({.tag = "samples", .size = 4, .samples_per_condition = 1}); },
              ThrowsMessage<ConfigError>(HasSubstr("a condition has 1 samples")));
  EXPECT_THAT([] { preference({{"temperature", 0.5}})->check_view({.tag = "samples", .size = 4, .samples_per_condition = 2}); },
              ThrowsMessage<ConfigError>(HasSubstr("temperature is for model = \"bradley_terry\"")));
}

}  // namespace
}  // namespace espalier::conformance
