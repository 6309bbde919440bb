#include "runtime/selection/student.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace espalier::intervals {
namespace {

// scipy.stats.t.ppf(0.975, n).
TEST(Student, QuantilesAreScipys) {
  EXPECT_NEAR(student_quantile(1), 12.706204736432095, 1e-9);
  EXPECT_NEAR(student_quantile(2), 4.302652729911275, 1e-9);
  EXPECT_NEAR(student_quantile(4), 2.7764451051977987, 1e-9);
  EXPECT_NEAR(student_quantile(9), 2.2621571627409915, 1e-9);
  EXPECT_NEAR(student_quantile(19), 2.093024054408263, 1e-9);
  EXPECT_NEAR(student_quantile(1000), 1.9623390808264078, 1e-9);
}

// scipy.stats.t.interval(0.95, 4, loc=x.mean(), scale=scipy.stats.sem(x)).
TEST(Student, IntervalOfFiveRuns) {
  const std::array<double, 5> runs = {0.80, 0.83, 0.79, 0.85, 0.81};
  const auto found = student_mean(runs);
  EXPECT_NEAR(found.value, 0.816, 1e-12);
  EXPECT_NEAR(found.low, 0.816 - 2.7764451051977987 * std::sqrt(0.00232 / 4 / 5), 1e-12);
  EXPECT_NEAR(found.high - found.value, found.value - found.low, 1e-12);
  EXPECT_EQ(found.kind, Kind::t);
  EXPECT_EQ(found.count, 5);
}

TEST(Student, OneRunHasNoInterval) {
  const std::array<double, 1> runs = {0.5};
  const auto found = student_mean(runs);
  EXPECT_EQ(found.value, 0.5);
  EXPECT_TRUE(std::isnan(found.low));
  EXPECT_EQ(found.kind, Kind::none);
}

}  // namespace
}  // namespace espalier::intervals
