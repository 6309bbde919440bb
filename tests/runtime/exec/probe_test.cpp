// How far numbers computed again lie from those stored.
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <limits>

#include "runtime/exec/blocks.h"

namespace espalier::exec {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

double distance(const at::Tensor& stored, const at::Tensor& again) { return relative_difference({"numbers", stored, again}); }
double distance(const std::vector<double>& stored, const std::vector<double>& again) {
  return distance(at::tensor(stored, at::kDouble), at::tensor(again, at::kDouble));
}

TEST(RelativeDifference, IsTheLargestOneOverTheLargestValue) {
  EXPECT_EQ(distance({1, -4, 2}, {1, -4, 2}), 0.0);
  EXPECT_EQ(distance({1, -4, 2}, {1.5, -4, 2.25}), 0.125);
  EXPECT_EQ(distance({0, 0}, {0, -0.0}), 0.0);
  EXPECT_EQ(distance(std::vector<double>(), {}), 0.0);
}

TEST(RelativeDifference, DetectsOneBit) {
  const double one = 1.0, next = std::nextafter(one, 2.0);
  EXPECT_GT(distance({one}, {next}), 0.0);
  EXPECT_GT(distance(at::tensor({1.0F}), at::tensor({std::nextafterf(1.0F, 2.0F)})), 0.0);
}

TEST(RelativeDifference, TakesNaNAndInfinityAsNumbersLikeOthers) {
  EXPECT_EQ(distance({kNaN, kInfinity, 2}, {kNaN, kInfinity, 2}), 0.0);
  EXPECT_EQ(distance({kNaN, kInfinity, 2}, {kNaN, kInfinity, 1}), 0.5);
  EXPECT_EQ(distance({kNaN, 2}, {1, 2}), kInfinity);
  EXPECT_EQ(distance({1, 2}, {kNaN, 2}), kInfinity);
  EXPECT_EQ(distance({kInfinity, 2}, {-kInfinity, 2}), kInfinity);
  EXPECT_EQ(distance({1, 2}, {kInfinity, 2}), kInfinity);
}

TEST(RelativeDifference, IsInfiniteWhereNothingIsTheSame) {
  EXPECT_EQ(distance({0, 0}, {0, 1e-30}), kInfinity);
  EXPECT_EQ(distance({1, 2}, {1, 2, 3}), kInfinity);
  EXPECT_EQ(distance(at::tensor({1, 2}, at::kLong), at::tensor({1, 2}, at::kInt)), kInfinity);
  EXPECT_EQ(distance(at::tensor({1.0}), at::Tensor()), kInfinity);
}

}  // namespace
}  // namespace espalier::exec
