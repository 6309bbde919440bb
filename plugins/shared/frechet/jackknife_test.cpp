#include "plugins/shared/frechet/jackknife.h"

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>

#include <cmath>

#include "runtime/random/draws.h"

namespace espalier::frechet_distance {
namespace {

constexpr std::int64_t kFeatures = 8;

// Features of independent normal numbers with standard deviations from `scale` down to a tenth of it, the first moved by `shift`.
at::Tensor normal_features(std::uint64_t study, std::uint64_t set, std::int64_t rows, double shift, double scale) {
  random::Draws draws({study, random::Purpose::evaluation}, {set});
  draws.begin(0);
  auto features = draws.normals({rows, kFeatures}, at::kDouble)[0] * at::linspace(scale, 0.1 * scale, kFeatures, at::kDouble);
  features.select(1, 0) += shift;
  return features;
}

double true_distance(double shift, double scale) {
  const auto deviations = at::linspace(1.0, 0.1, kFeatures, at::kDouble);
  return shift * shift + (deviations * (scale - 1.0)).square().sum().item<double>();
}

// x of 200 rows, y of 60: a mean over studies of the distance, of its bias, and how often the interval holds the truth.
struct Studies {
  double distance = 0.0, bias = 0.0, held = 0.0;
};
Studies studies(double shift, double scale, int count) {
  Studies found;
  for (int study = 0; study < count; ++study) {
    const auto seed = static_cast<std::uint64_t>(study);
    const auto result = jackknife(normal_features(seed, 0, 200, shift, scale), normal_features(seed, 1, 60, 0.0, 1.0));
    const auto estimate = corrected(result);
    found.distance += result.value / count;
    found.bias += bias(result) / count;
    found.held += estimate.low <= true_distance(shift, scale) && true_distance(shift, scale) <= estimate.high ? 1.0 / count : 0.0;
  }
  return found;
}

TEST(FrechetJackknife, EstimatesTheBiasAndHoldsTheTrueDistance) {
  const auto equal = studies(0.0, 1.0, 10);
  EXPECT_GT(equal.distance, 0.02) << "the distance of equal laws is 0, that of samples of them is not";
  EXPECT_NEAR(equal.bias, equal.distance, 0.15 * equal.distance);
  const auto moved = studies(0.7, 1.3, 60);
  const double excess = moved.distance - true_distance(0.7, 1.3);
  EXPECT_NEAR(moved.bias, excess, 0.4 * excess);
  EXPECT_GE(moved.held, 0.85);  // of 60 studies; 0.95 less nearly four standard errors
}

TEST(FrechetJackknife, ADifferenceLeavesOutTheChanceTheyShare) {
  const auto y = normal_features(3, 1, 60, 0.0, 1.0);
  const auto near = jackknife(normal_features(3, 0, 200, 0.5, 1.0), y), far = jackknife(normal_features(3, 2, 200, 0.7, 1.0), y);
  const auto width = [](const intervals::Estimate& estimate) { return estimate.high - estimate.low; };
  EXPECT_LT(width(difference(far, near)), std::hypot(width(corrected(far)), width(corrected(near))));
  const auto none = difference(near, near);
  EXPECT_DOUBLE_EQ(none.value, 0.0);
  EXPECT_DOUBLE_EQ(width(none), 0.0);
}

TEST(FrechetJackknife, NeedsMoreRowsThanFeaturesWithoutAGroup) {
  EXPECT_TRUE(enough_for_jackknife(214, 64));
  EXPECT_FALSE(enough_for_jackknife(67, 64));
  EXPECT_FALSE(enough_for_jackknife(19, 2));
}

}  // namespace
}  // namespace espalier::frechet_distance
