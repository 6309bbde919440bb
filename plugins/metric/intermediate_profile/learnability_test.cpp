#include "plugins/metric/intermediate_profile/learnability.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "runtime/base/errors.h"

namespace espalier::intermediate_profile {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

at::Tensor normals(std::uint64_t seed, std::int64_t rows, std::int64_t dimensions) {
  std::vector<std::uint64_t> numbers(static_cast<std::size_t>(rows));
  std::iota(numbers.begin(), numbers.end(), 0);
  return random::Draws({seed, random::Purpose::evaluation}, numbers).normals({dimensions}).to(at::kDouble);
}

std::vector<std::int64_t> one_each(std::int64_t rows) {
  std::vector<std::int64_t> condition(static_cast<std::size_t>(rows));
  std::iota(condition.begin(), condition.end(), 0);
  return condition;
}

// Of N(m, s^2) against N(0, 1): |X - Z| is a folded normal of mean m and variance 1 + s^2.
double in_closed_form(double m, double s) {
  const auto folded = [](double mean, double variance) {
    const double deviation = std::sqrt(variance);
    return deviation * std::sqrt(2.0 / std::numbers::pi) * std::exp(-mean * mean / (2.0 * variance)) +
           mean * std::erf(mean / (deviation * std::numbers::sqrt2));
  };
  const double between = folded(m, 1.0 + s * s);
  return (2.0 * between - folded(0.0, 2.0 * s * s) - folded(0.0, 2.0)) / (2.0 * between);
}

TEST(EnergyCoefficient, OfNormalsIsTheClosedForm) {
  constexpr std::int64_t kRows = 3000;
  const auto noise = normals(1, kRows, 1), draws = normals(2, kRows, 1);
  for (const auto& [m, s] : {std::pair{0.0, 1.0}, {0.7, 1.0}, {0.0, 0.3}, {1.0, 2.0}}) {
    const auto found = energy_coefficient(draws * s + m, one_each(kRows), noise);
    const double error = (found.high - found.low) / (2 * 1.96);
    EXPECT_GT(error, 0.0);
    EXPECT_LT(error, 0.02);
    EXPECT_NEAR(found.value, in_closed_form(m, s), 4 * error + 0.002) << m << " " << s;  // the noise's own error is not in the interval
  }
}

TEST(EnergyCoefficient, IsUnbiasedForFewRows) {
  double sum = 0.0;
  constexpr int kTrials = 2000;
  for (int i = 0; i < kTrials; ++i) {
    sum += energy_coefficient(normals(1000 + i, 8, 3), one_each(8), normals(9000 + i, 8, 3)).value / kTrials;
  }
  EXPECT_NEAR(sum, 0.0, 0.006);  // a mean that counts a row's distance to itself has 1/8
}

TEST(EnergyCoefficient, LeavesOutWholeConditions) {
  const auto states = normals(3, 9, 4), noise = normals(4, 7, 4);
  const std::vector<std::int64_t> condition = {5, 5, 1, 1, 1, 8, 8, 3, 3};
  const auto found = energy_coefficient(states, condition, noise);
  std::vector<double> left_out;
  for (const std::int64_t which : {1, 3, 5, 8}) {
    std::vector<std::int64_t> rows, rest;
    for (std::size_t i = 0; i < condition.size(); ++i) {
      if (condition[i] == which) continue;
      rows.push_back(static_cast<std::int64_t>(i));
      rest.push_back(condition[i]);
    }
    left_out.push_back(energy_coefficient(states.index_select(0, at::tensor(rows)), rest, noise).value);
  }
  const double mean = (left_out[0] + left_out[1] + left_out[2] + left_out[3]) / 4.0;
  double squares = 0.0;
  for (const double one : left_out) squares += (one - mean) * (one - mean);
  EXPECT_NEAR(found.high - found.value, 1.959963984540054 * std::sqrt(squares * 3.0 / 4.0), 1e-12);
  EXPECT_EQ(found.count, 4);
}

TEST(EnergyCoefficient, NeedsTwoConditions) {
  EXPECT_THAT([] { energy_coefficient(normals(1, 3, 2), {4, 4, 4}, normals(2, 3, 2)); },
              ThrowsMessage<StageError>(HasSubstr("two conditions")));
}

TEST(ExcessLoss, IsTheMeanOfTheConditionsDifferences) {
  // Condition 0: accepted 4 of 1, 2, 4, 5 (mean 3); condition 1: 2 (weight 1) and 8 (weight 3) of 2, 8, 5 (mean 5); condition 2: none.
  const std::vector<double> loss = {1, 2, 4, 5, 2, 8, 5, 100};
  const std::vector<std::int64_t> condition = {0, 0, 0, 0, 1, 1, 1, 2};
  const auto found = excess_loss(loss, condition, {2, 4, 5}, {1, 1, 3}, {1, random::Purpose::evaluation});
  EXPECT_NEAR(found.value, ((4.0 - 3.0) + (6.5 - 5.0)) / 2.0, 1e-12);
  EXPECT_EQ(found.count, 2);
  EXPECT_NEAR(found.low, 1.0, 1e-12);
  EXPECT_NEAR(found.high, 1.5, 1e-12);
}

}  // namespace
}  // namespace espalier::intermediate_profile
