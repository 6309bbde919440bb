#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kBeta = 0.4;

std::unique_ptr<Filter> exponential(const Options& options = {}) { return make<Filter>(plugin("filter.exponential"), options); }

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
constexpr std::array<double, 5> kCumulative = {0.0, 0.4, 0.75, 0.9, 1.0};

std::vector<double> tied_scores(std::size_t count, std::uint64_t seed) {
  auto scores = uniform_scores(count, seed);
  for (auto& score : scores) {
    std::size_t i = 0;
    while (score > kCumulative[i + 1]) ++i;
    score = kReward[i];
  }
  return scores;
}

// Of `accepted` rewards against those of `acceptance`, the probability of each value.
double chi_square(const FilterInput& input, const std::vector<std::int64_t>& accepted, const std::array<double, 4>& acceptance) {
  double total = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < 4; ++i) total += (kCumulative[i + 1] - kCumulative[i]) * acceptance[i];
  for (std::size_t i = 0; i < 4; ++i) {
    double found = 0.0;
    for (const auto index : accepted) found += input.score[static_cast<std::size_t>(index)] == kReward[i] ? 1.0 : 0.0;
    const double expected = static_cast<double>(accepted.size()) * (kCumulative[i + 1] - kCumulative[i]) * acceptance[i] / total;
    sum += (found - expected) * (found - expected) / expected;
  }
  return sum;
}

// Method's formula for the law above and M - 1 others.
std::array<double, 4> below_the_maximum_of(int size) {
  std::array<double, 4> result{};
  for (std::size_t i = 0; i < 4; ++i) {
    result[i] = std::pow(kCumulative[i + 1], size - 1);
    for (std::size_t j = i + 1; j < 4; ++j) {
      result[i] +=
          std::exp((kReward[i] - kReward[j]) / kBeta) * (std::pow(kCumulative[j + 1], size - 1) - std::pow(kCumulative[j], size - 1));
    }
  }
  return result;
}

TEST(Exponential, Conforms) {
  check_filter(plugin("filter.exponential"), {{"temperature", 0.5}, {"group_by", "all"}}, input_of(uniform_scores(4000, 1), 4));
  check_filter(plugin("filter.exponential"), {{"temperature", 0.3}, {"r_max_policy", "batch"}}, input_of(uniform_scores(2000, 2), 100));
  check_filter(plugin("filter.exponential"), {{"temperature", 0.3}, {"r_max_policy", "batch"}, {"group_by", "all"}},
               input_of(uniform_scores(2000, 3), 4));
}

// One million draws from a law with ties: the accepted rewards follow p e^(r/beta).
TEST(Exponential, AcceptsTheTiltedLaw) {
  const auto input = input_of(tied_scores(1000000, 4), 4);
  const auto filter = exponential({{"temperature", kBeta}, {"group_by", "all"}});
  const auto accepted = filter->select(input).index;
  std::array<double, 4> tilt{};
  double rate = 0.0, logs = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    tilt[i] = std::exp((kReward[i] - 1.0) / kBeta);
    rate += (kCumulative[i + 1] - kCumulative[i]) * tilt[i];
    logs += (kCumulative[i + 1] - kCumulative[i]) * tilt[i] * std::log(tilt[i]);
  }
  EXPECT_LT(chi_square(input, accepted, tilt), 16.3);  // 3 degrees of freedom, p = 0.001
  const auto law = law_of("filter.exponential", *filter, input);
  EXPECT_NEAR(law.acceptance_rate, rate, 0.002);
  EXPECT_NEAR(static_cast<double>(accepted.size()) / 1e6, rate, 0.002);
  EXPECT_NEAR(law.kl_nats, logs / rate - std::log(rate), 0.005);
}

// With the group's highest score the acceptance is method's formula, and not the tilt.
TEST(Exponential, WithTheGroupsMaximumAcceptsMethodsLaw) {
  const auto input = input_of(tied_scores(1000000, 5), 4);
  const auto accepted = exponential({{"temperature", kBeta}, {"r_max_policy", "batch"}})->select(input).index;
  const auto acceptance = below_the_maximum_of(4);
  double rate = 0.0;
  std::array<double, 4> tilt{};
  for (std::size_t i = 0; i < 4; ++i) {
    rate += (kCumulative[i + 1] - kCumulative[i]) * acceptance[i];
    tilt[i] = std::exp((kReward[i] - 1.0) / kBeta);
  }
  EXPECT_LT(chi_square(input, accepted, acceptance), 16.3);
  EXPECT_NEAR(static_cast<double>(accepted.size()) / 1e6, rate, 0.002);
  EXPECT_GT(chi_square(input, accepted, tilt), 1000.0);
}

// Of 64 samples a condition the reported law is that of their scores' law.
TEST(Exponential, ReportsMethodsLaw) {
  const auto law = law_of("filter.exponential", *exponential({{"temperature", kBeta}, {"r_max_policy", "batch"}}),
                          input_of(tied_scores(std::size_t{64} * 500, 6), 64));
  const auto acceptance = below_the_maximum_of(64);
  double rate = 0.0, logs = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double p = kCumulative[i + 1] - kCumulative[i];
    rate += p * acceptance[i];
    logs += p * acceptance[i] * std::log(acceptance[i]);
  }
  EXPECT_NEAR(law.kl_nats, logs / rate - std::log(rate), 0.01);
  EXPECT_NEAR(law.acceptance_rate, rate, 0.01);
  EXPECT_THAT(law.formula, HasSubstr("F^(M-1)(r)"));
}

TEST(Exponential, AcceptsTheBestOfEachGroupForCertain) {
  const auto accepted =
      exponential({{"temperature", 1e-6}, {"r_max_policy", "batch"}})->select(input_of({0.1, 5.0, 0.3, -2.0, -3.0, -2.5}, 3)).index;
  EXPECT_THAT(accepted, testing::ElementsAre(1, 3));
}

TEST(Exponential, RefusesAScoreAboveTheMaximum) {
  EXPECT_THAT([] { exponential()->select(input_of({0.5, 1.5}, 2)); },
              ThrowsMessage<StageError>(HasSubstr("trajectory 1 has the score 1.5, above r_max = 1")));
  EXPECT_NO_THROW(exponential({{"r_max", 2.0}})->select(input_of({0.5, 1.5}, 2)));
  const auto batch = exponential({{"r_max_policy", "batch"}, {"r_max", 2.0}});
  EXPECT_THAT([&] { batch->check_view({.tag = "samples", .size = 4, .samples_per_condition = 2}); },
              ThrowsMessage<ConfigError>(HasSubstr("r_max is for r_max_policy = \"fixed\"")));
}

}  // namespace
}  // namespace espalier::conformance
