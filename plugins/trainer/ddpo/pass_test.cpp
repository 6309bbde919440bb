#include "plugins/trainer/ddpo/pass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

namespace espalier::ddpo {
namespace {

using testing::ElementsAre;

// A mean over an update's batches, each a sum times its weight, is the mean over the update's samples and steps.
TEST(Pass, VisitsEverySampleAtEveryStepOnceWithEqualWeight) {
  for (const auto& [samples, updates, micro_batch, steps] :
       {std::tuple{12, 3, 2, 4}, {13, 4, 3, 2}, {7, 2, 8, 1}, {5, 2, 1, 3}, {9, 9, 4, 2}, {64, 1, 24, 5}}) {
    SCOPED_TRACE(testing::Message() << samples << " samples, " << updates << " updates, micro-batches of " << micro_batch);
    const Pass pass(samples, updates, micro_batch, steps);
    std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> update_of;  // (place, step) -> update
    for (std::int64_t update = 0; update < updates; ++update) {
      std::map<std::int64_t, double> share;  // place -> its weight in the update's mean
      for (std::int64_t part = 0; part < pass.batches_per_update(); ++part) {
        const auto batch = pass.batch(update * pass.batches_per_update() + part);
        EXPECT_EQ(batch.update, update);
        EXPECT_LE(static_cast<int>(batch.places.size()), micro_batch);
        for (const auto place : batch.places) {
          EXPECT_TRUE(update_of.emplace(std::pair(place, batch.step), update).second) << "twice";
          share[place] += batch.weight / static_cast<double>(pass.batches_per_update());
        }
      }
      const auto size = static_cast<int>(share.size());
      EXPECT_TRUE(size == samples / updates || size == (samples + updates - 1) / updates) << size;
      for (const auto& [place, one] : share) EXPECT_NEAR(one, 1.0 / size, 1e-12) << place;
    }
    EXPECT_EQ(static_cast<int>(update_of.size()), samples * steps);
  }
}

TEST(Pass, TakesAMicroBatchThroughItsSteps) {
  const Pass pass(8, 2, 2, 3);
  EXPECT_THAT(pass.batch(0).places, ElementsAre(0, 1));
  EXPECT_THAT(pass.batch(2).places, ElementsAre(0, 1));
  EXPECT_EQ(pass.batch(2).step, 2);
  EXPECT_THAT(pass.batch(3).places, ElementsAre(2, 3));
  EXPECT_THAT(pass.batch(6).places, ElementsAre(4, 5));
}

}  // namespace
}  // namespace espalier::ddpo
