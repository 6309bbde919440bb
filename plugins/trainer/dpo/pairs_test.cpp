#include "plugins/trainer/dpo/pairs.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace espalier::dpo {
namespace {

using testing::ElementsAre, testing::IsEmpty;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Pairs, AreTheBestAndTheWorstOfEachPrompt) {
  const auto pairs = best_and_worst({0, 1, 0, 1, 0, 1}, {0.1, 5.0, 0.9, 3.0, -2.0, 4.0});
  EXPECT_THAT(pairs.winner, ElementsAre(2, 1));
  EXPECT_THAT(pairs.loser, ElementsAre(4, 3));
  EXPECT_EQ(pairs.tied, 0);
  EXPECT_EQ(pairs.single, 0);
  EXPECT_EQ(pairs.text(), "2 pairs");
}

TEST(Pairs, TakeTheFirstOfEqualBestAndWorst) {
  const auto pairs = best_and_worst({7, 7, 7, 7, 7}, {1.0, 2.0, 2.0, 0.0, 0.0});
  EXPECT_THAT(pairs.winner, ElementsAre(1));
  EXPECT_THAT(pairs.loser, ElementsAre(3));
}

// Prompt 0 is tied, 1 has one finite score, 2 none, 3 a pair beside a NaN, 4 is tied beside an infinity.
TEST(Pairs, DropAndCountTiesAndNeverHoldAScoreThatIsNotFinite) {
  const std::vector<std::int64_t> prompt = {0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4};
  const auto pairs = best_and_worst(prompt, {1, 1, kNaN, 2, kNaN, kNaN, 0, kNaN, 1, 3, 3, std::numeric_limits<double>::infinity()});
  EXPECT_THAT(pairs.winner, ElementsAre(8));
  EXPECT_THAT(pairs.loser, ElementsAre(6));
  EXPECT_EQ(pairs.tied, 2);
  EXPECT_EQ(pairs.single, 1);
  EXPECT_EQ(pairs.text(), "1 pair; 3 prompts give none: of 2 all samples have one score, of 1 one sample has a finite score");
}

TEST(Pairs, OfNothingAreNone) { EXPECT_THAT(best_and_worst({}, {}).winner, IsEmpty()); }

}  // namespace
}  // namespace espalier::dpo
