#include "runtime/selection/mix.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace espalier::selection {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Mix, AddsWeightedScores) {
  EXPECT_THAT(mixed({{1, 2, 3}, {10, 0, -10}}, {1.0, 0.5}, Normalization::none, {0, 0, 0}), ElementsAre(6.0, 2.0, -2.0));
}

// scipy.stats.zscore([1, 2, 3, 6]) = -1.06904497, -0.53452248, 0, 1.60356745; the second reward is constant: 0.
TEST(Mix, ZScoresHaveMeanZeroAndDeviationOne) {
  const auto found = mixed({{1, 2, 3, 6}, {4, 4, 4, 4}}, {2.0, 1.0}, Normalization::z_score, {0, 0, 0, 0});
  EXPECT_THAT(found, Pointwise(DoubleNear(1e-8), std::vector<double>{-2.13808994, -1.06904497, 0.0, 3.20713490}));
}

// scipy.stats.rankdata([5, 1, 5, 7]) = 2.5, 1, 2.5, 4.
TEST(Mix, RanksOfTiesAreTheirMean) {
  EXPECT_THAT(mixed({{5, 1, 5, 7}}, {1.0}, Normalization::rank, {0, 0, 0, 0}), ElementsAre(0.5, 0.125, 0.5, 0.875));
}

TEST(Mix, StatisticsAreThoseOfTheGroup) {
  const auto found = mixed({{0, 2, 100, 104}}, {1.0}, Normalization::z_score, {3, 3, 5, 5});
  EXPECT_THAT(found, ElementsAre(-1.0, 1.0, -1.0, 1.0));
}

TEST(Mix, ASampleThatOneRewardDoesNotScoreHasNoScoreAndNoPart) {
  const auto found = mixed({{0, 2, 7}, {1, 1, kNan}}, {1.0, 0.0}, Normalization::z_score, {0, 0, 0});
  EXPECT_EQ(found[0], -1.0);
  EXPECT_EQ(found[1], 1.0);
  EXPECT_TRUE(std::isnan(found[2]));
}

}  // namespace
}  // namespace espalier::selection
