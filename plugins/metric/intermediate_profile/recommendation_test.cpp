#include "plugins/metric/intermediate_profile/recommendation.h"

#include <gmock/gmock.h>

namespace espalier::intermediate_profile {
namespace {

using testing::HasSubstr;

// decided 0.95, 0.7, 0.2, 0; nearness 0, 0.4, 0.9, 1; products 0, 0.28, 0.18, 0; means 0.475, 0.55, 0.55, 0.5.
const std::vector<Candidate> kSteps = {{2, 0.05, 1.0}, {5, 0.3, 0.6}, {8, 0.8, 0.1}, {10, 1.02, 0.0}};

TEST(Recommendation, MaxShareTakesTheLargestStepThatIsDecided) {
  EXPECT_EQ(recommend(kSteps, 10, "max_share", 0.5).step, 5);
  EXPECT_EQ(recommend(kSteps, 10, "max_share", 0.9).step, 8);
  EXPECT_EQ(recommend(kSteps, 10, "max_share", 0.01).step, 0);
  EXPECT_THAT(recommend(kSteps, 10, "max_share", 0.01).reason, HasSubstr("more than 0.01"));
  EXPECT_EQ(recommend(kSteps, 10, "max_share", 1.5).step, 8);  // never the noise itself
}

TEST(Recommendation, ProductAndMeanWeighBothSides) {
  const auto product = recommend(kSteps, 10, "product", 0.5);
  EXPECT_EQ(product.step, 5);
  EXPECT_THAT(product.reason, HasSubstr("(0.700)"));
  EXPECT_THAT(product.reason, HasSubstr("(0.400), 0.280"));
  EXPECT_EQ(recommend({{2, 0.05, 0.9}, {5, 0.3, 0.6}, {8, 0.8, 0.0}}, 10, "sum", 0.5).step, 8);  // 0.525, 0.55, 0.6
  EXPECT_EQ(recommend({{2, 0.0, 0.5}, {5, 0.5, 0.0}}, 10, "sum", 0.5).step, 5);                  // of equal ones the largest
}

TEST(Recommendation, BothSidesAreCutToTheUnitInterval) {
  const Candidate noise{10, 1.03, -0.01};
  EXPECT_EQ(noise.decided(), 0.0);
  EXPECT_EQ(noise.nearness(), 1.0);
}

TEST(Recommendation, OfNoiseAloneIsNone) { EXPECT_EQ(recommend({{10, 1.0, 0.0}}, 10, "product", 0.5).step, 0); }

}  // namespace
}  // namespace espalier::intermediate_profile
