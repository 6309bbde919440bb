#include "runtime/selection/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::intervals {
namespace {

struct Samples {
  std::vector<double> score;
  std::vector<std::int64_t> condition;
};

std::vector<double> normals(std::uint64_t seed, std::uint64_t study, std::int64_t count) {
  random::Draws draws({seed, random::Purpose::evaluation}, {study});
  draws.begin(0);
  const auto values = draws.normals({count}, at::kDouble);
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + count};
}

// Prompts differ by their own amount; samples of a prompt scatter around it. True mean 0.
Samples study(std::uint64_t number, std::int64_t prompts, std::int64_t samples) {
  const auto prompt = normals(1, number, prompts);
  const auto sample = normals(2, number, prompts * samples);
  Samples view;
  for (std::int64_t i = 0; i < prompts * samples; ++i) {
    view.condition.push_back(i % prompts);
    view.score.push_back(prompt[static_cast<std::size_t>(i % prompts)] + 0.5 * sample[static_cast<std::size_t>(i)]);
  }
  return view;
}

// The half width of the normal interval over prompts; and, wrongly, over samples.
double normal_half_width(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double square = 0.0;
  for (const double value : values) {
    square += (value - mean) * (value - mean);
  }
  return 1.959964 * std::sqrt(square / n / n);
}

TEST(Bootstrap, AgreesWithTheNormalIntervalOverPromptsNotOverSamples) {
  const auto view = study(9, 400, 4);
  const auto grouped = group(view.score, view.condition);
  std::vector<double> prompt_means;
  for (std::size_t c = 0; c < grouped.sum.size(); ++c) {
    prompt_means.push_back(grouped.sum[c] / grouped.count[c]);
  }
  const auto [low, high] = bootstrap(grouped, {1}, 20000);
  const double expected = normal_half_width(prompt_means);
  EXPECT_NEAR(high - grouped.mean(), expected, 0.04 * expected);
  EXPECT_NEAR(grouped.mean() - low, expected, 0.04 * expected);
  EXPECT_GT(expected, 1.5 * normal_half_width(view.score));  // what an interval over samples would claim
}

TEST(Bootstrap, IntervalsHoldTheTrueMeanAsOftenAsStated) {
  constexpr int kStudies = 600;
  int held = 0;
  for (int i = 0; i < kStudies; ++i) {
    const auto view = study(100 + static_cast<std::uint64_t>(i), 100, 4);
    const auto [low, high] = bootstrap(group(view.score, view.condition), {static_cast<std::uint64_t>(i)}, 400);
    held += low <= 0.0 && 0.0 <= high ? 1 : 0;
  }
  RecordProperty("held", held);
  // 0.95 less what a percentile interval of 100 prompts loses; four standard errors are 0.036.
  EXPECT_GT(held, 0.91 * kStudies);
  EXPECT_LT(held, 0.98 * kStudies);
}

TEST(Bootstrap, WeighsPromptsByTheirSamples) {
  const auto grouped = group({1.0, 1.0, 1.0, 0.0}, {0, 0, 0, 1});
  EXPECT_EQ(grouped.mean(), 0.75);
  const auto [low, high] = bootstrap(grouped, {1});
  EXPECT_EQ(low, 0.0);  // both draws are prompt 1 in a quarter of the resamples
  EXPECT_EQ(high, 1.0);
}

TEST(Bootstrap, OfOnePromptHasNoInterval) {
  EXPECT_TRUE(std::isnan(bootstrap(group({0.1, 0.9}, {0, 0}), {1}, 200).low));
  const auto [low, high] = bootstrap(group({0.3, 0.3, 0.3}, {0, 1, 2}), {1}, 200);
  EXPECT_NEAR(low, 0.3, 1e-12);
  EXPECT_NEAR(high, 0.3, 1e-12);
}

// Overlaps of pages: nearly all 0, a few large. A normal interval goes below 0, which no overlap can.
TEST(Bootstrap, OfNumbersThatAreNotNegativeIsNotNegative) {
  std::vector<double> values(40, 0.0);
  values[3] = 2.5;
  values[17] = 0.5;
  ASSERT_LT(0.075 - normal_half_width(values), 0.0);
  const auto figure = mean(values, {1});
  EXPECT_DOUBLE_EQ(figure.value, 0.075);
  EXPECT_EQ(figure.low, 0.0);  // 0.129 = (38/40)^40 of the resamples have neither of the two
  EXPECT_GT(figure.high, 0.125);
  EXPECT_LT(figure.high, 0.3);
  EXPECT_EQ(mean(values, {1}).high, figure.high);
  EXPECT_NE(mean(values, {2}).high, figure.high);
  EXPECT_TRUE(std::isnan(mean(std::vector<double>{0.5}, {1}).low));
}

// In closed form: the least and the largest of five rows drawn from five.
// Of a ratio of means: the interval of 1,000 rows against the bootstrap of the same rows, and against the rows' own deviation.
TEST(Bootstrap, InfinitesimalJackknifeAgreesWithIt) {
  constexpr std::int64_t kRows = 1000;
  std::vector<double> numerator, denominator;
  for (std::int64_t i = 0; i < kRows; ++i) {
    denominator.push_back(1.0 + static_cast<double>(i % 3));
    numerator.push_back(denominator.back() * std::sin(static_cast<double>(i)) + 0.3 * static_cast<double>(i % 5));
  }
  const auto ratio = [&](std::span<const std::int64_t> drawn) {
    double above = 0.0, below = 0.0;
    for (const auto row : drawn) above += numerator[static_cast<std::size_t>(row)], below += denominator[static_cast<std::size_t>(row)];
    return std::vector{above / below};
  };
  std::vector<std::int64_t> once(kRows);
  std::iota(once.begin(), once.end(), 0);
  const auto bootstrapped = bootstrap(kRows, ratio(once), ratio, {3, random::Purpose::evaluation}).front();
  const auto found = infinitesimal_jackknife(numerator, denominator);
  const double width = bootstrapped.high - bootstrapped.low;
  EXPECT_NEAR(found.high - found.low, width, 0.07 * width);
  EXPECT_NEAR(found.low, bootstrapped.low, 0.07 * width);

  const std::vector<double> ones(numerator.size(), 1.0);  // a plain mean: s / sqrt(n), ddof 0
  double mean = 0.0, squares = 0.0;
  for (const double one : numerator) mean += one / kRows;
  for (const double one : numerator) squares += (one - mean) * (one - mean) / kRows;
  const auto plain = infinitesimal_jackknife(numerator, ones);
  EXPECT_NEAR(plain.high - mean, 1.959963984540054 * std::sqrt(squares / kRows), 1e-12);
}

TEST(Bootstrap, ComputesAnyStatisticsOfTheRowsDrawn) {
  const auto ends = [](std::span<const std::int64_t> drawn) {
    const auto [least, largest] = std::minmax_element(drawn.begin(), drawn.end());
    return std::vector<double>{static_cast<double>(*least), static_cast<double>(*largest)};
  };
  const auto found = bootstrap(5, {0.0, 4.0}, ends, {1}, 4000);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].low, 0.0);
  EXPECT_EQ(found[0].high, 2.0);  // P(least >= 2) = (3/5)^5 = 0.078, P(least >= 3) = (2/5)^5 = 0.010
  EXPECT_EQ(found[1].low, 2.0);
  EXPECT_EQ(found[1].high, 4.0);
}

}  // namespace
}  // namespace espalier::intervals
