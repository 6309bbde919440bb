#include "plugins/metric/diversity/pairs.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

namespace espalier::diversity {
namespace {

at::Tensor bytes(const std::vector<std::int64_t>& values, std::int64_t rows) {
  return at::tensor(values, at::kLong).view({rows, -1}).to(at::kByte);
}

// Differences of 51, 102 and 51 of 255 in one of four values, and so root mean squares of 0.1, 0.2 and 0.1.
TEST(Pairs, DistanceIsTheRootMeanSquareOfTheDifferences) {
  const auto found = pairs_of({.pixels = bytes({0, 9, 9, 9, 51, 9, 9, 9, 102, 9, 9, 9}, 3)}, 3, 0.15);
  EXPECT_EQ(found.count, 3.0);
  EXPECT_NEAR(found.pixel_distance, 0.4 / 3, 1e-12);
  EXPECT_EQ(found.near_duplicates, 2.0);
  EXPECT_EQ(found.feature_distance, 0.0);
}

TEST(Pairs, FeaturesAreComparedByTheirEuclideanDistance) {
  const auto found = pairs_of({.features = at::tensor({0.0, 0.0, 3.0, 4.0, 0.0, 8.0}, at::kDouble).view({3, 2})}, 3, 1.0);
  EXPECT_NEAR(found.feature_distance, (5.0 + 8.0 + 5.0) / 3, 1e-12);
  EXPECT_EQ(found.near_duplicates, 0.0) << "near-duplicates are found by pixels and keys alone";
}

TEST(Pairs, EqualKeysAreDuplicatesAndNoKeyIsEqualToNone) {
  EXPECT_EQ(pairs_of({.keys = {"CCO", "", "CCO", "", "CCO", "C"}}, 6, 0.0).near_duplicates, 3.0);
  const auto both = pairs_of({.pixels = bytes({0, 0, 255}, 3), .keys = {"a", "b", "a"}}, 3, 0.5);
  EXPECT_EQ(both.near_duplicates, 2.0) << "the first two by their pixels, the first and the last by their keys";
}

TEST(Pairs, EqualImagesAreNearDuplicatesOnlyBelowAThresholdAboveZero) {
  EXPECT_EQ(pairs_of({.pixels = bytes({7, 7}, 2)}, 2, 0.0).near_duplicates, 0.0);
  EXPECT_EQ(pairs_of({.pixels = bytes({7, 7}, 2)}, 2, 1e-9).near_duplicates, 1.0);
}

}  // namespace
}  // namespace espalier::diversity
