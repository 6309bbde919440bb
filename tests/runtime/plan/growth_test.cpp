// Views that grow and shrink, and steps that an earlier experiment did not keep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "fake_pipeline.h"

namespace espalier::plan {
namespace {

using testing::ElementsAre;

std::int64_t blocks_of(std::int64_t samples, std::int64_t size) { return samples / size + (samples % size != 0); }

// A view of `count` samples of one condition.
const Fake& view(std::int64_t count, std::int64_t block_size) {
  return pipeline({"domain.count=1", "samples.micro_batch=1", "samples.samples_per_condition=" + std::to_string(count),
                   "samples.block_size=" + std::to_string(block_size)});
}

TEST(Growth, ComputesExactlyTheBlocksThatAreNew) {
  std::mt19937 random(20261121);
  std::uniform_int_distribution<std::int64_t> some_count(1, 2000), some_size(1, 130);
  for (int round = 0; round < 200; ++round) {
    const auto n = some_count(random), m = some_count(random), s = some_size(random);
    SCOPED_TRACE(testing::Message() << "N = " << n << ", M = " << m << ", S = " << s);
    FakeIndex index;
    for (const char* tag : {"samples", "alignment"}) index.carry_out(plan_all(view(n, s), index).at(tag));
    const auto plans = plan_all(view(m, s), index);
    const auto wanted = std::max<std::int64_t>(0, blocks_of(m, s) - blocks_of(n, s));
    for (const char* tag : {"samples", "alignment"}) {
      const auto& plan = plans.at(tag);
      EXPECT_EQ(static_cast<std::int64_t>(plan.missing.size()), wanted) << tag;
      EXPECT_EQ(plan.action, wanted == 0 ? Action::reuse : Action::run) << tag;
      EXPECT_EQ(plan.samples_to_compute, wanted * s) << tag;
      EXPECT_EQ(plan.samples, m) << tag;
      for (const auto block : plan.missing) EXPECT_GE(static_cast<std::int64_t>(block), blocks_of(n, s)) << tag;
    }
  }
}

TEST(Growth, ReportsHowManyBlocksAreToCompute) {
  FakeIndex index;
  index.carry_out(plan_all(view(64, 16), index).at("samples"));
  EXPECT_EQ(plan_all(view(100, 16), index).at("samples").because, "3 blocks of 7 to compute");
  EXPECT_EQ(plan_all(view(10, 16), index).at("samples").because, "all 1 block in the cache");
}

TEST(Growth, FillsAHole) {
  FakeIndex index;
  const auto plan = plan_all(view(64, 16), index).at("samples");
  index.carry_out(plan);
  index.sets.at(plan.key).erase(2);
  EXPECT_THAT(plan_all(view(64, 16), index).at("samples").missing, ElementsAre(2));
}

TEST(RecordedSteps, AreTheSpacedOnesAndWhatLaterStagesRead) {
  const auto plan = plan_all(pipeline({"samples.record_steps=[3, 0.9]"}), FakeIndex()).at("samples");
  EXPECT_THAT(plan.steps, ElementsAre(0, 3, 5, 18));                                      // 0.25 of 20 is the trainer's
  EXPECT_THAT(plan.missing_steps.at(0), ElementsAre(0, 2, 3, 5, 7, 10, 12, 15, 17, 18));  // every eighth of 20, rounded down
}

TEST(RecordedSteps, HoldTheNoiseWhereItIsRequested) {
  EXPECT_FALSE(plan_all(pipeline(), FakeIndex()).at("samples").missing_steps.at(0).contains(20));
  for (const char* noise : {"samples.record_steps=[20]", "samples.record_steps=[1.0]"}) {
    const auto plan = plan_all(pipeline({noise, "samples.num_inference_steps=20"}), FakeIndex()).at("samples");
    EXPECT_TRUE(plan.steps.contains(20)) << noise;
    EXPECT_TRUE(plan.missing_steps.at(0).contains(20)) << noise;
  }
}

TEST(RecordedSteps, AreAllOfThemWhereStepsAreFew) {
  const auto plan = plan_all(pipeline({"samples.num_inference_steps=4"}), FakeIndex()).at("samples");
  EXPECT_THAT(plan.missing_steps.at(0), ElementsAre(0, 1, 2, 3));
}

TEST(RecordedSteps, ThatABlockLacksAreRequestedWithTheSample) {
  FakeIndex index;
  const auto first = plan_all(pipeline({"tuned.clean=true"}), index).at("samples");
  EXPECT_THAT(first.steps, ElementsAre(0));
  index.carry_out(first);
  const auto spaced = plan_all(pipeline({"tuned.intermediate_step=10"}), index).at("samples");
  EXPECT_EQ(spaced.action, Action::reuse) << "step 10 is one of those kept anyway";
  const Fake& wants = pipeline({"tuned.intermediate_step=6", "samples.record_steps=[10, 19]"});
  const auto lacking = plan_all(wants, index).at("samples");
  EXPECT_EQ(lacking.key, first.key);
  EXPECT_THAT(lacking.missing, ElementsAre(0, 1, 2));
  for (const auto block : lacking.missing) EXPECT_THAT(lacking.missing_steps.at(block), ElementsAre(0, 6, 19));
  EXPECT_EQ(lacking.because, "3 blocks without a step asked for");
  index.carry_out(lacking);
  EXPECT_EQ(plan_all(wants, index).at("samples").action, Action::reuse);
  EXPECT_EQ(plan_all(wants, index).at("alignment").request, plan_all(pipeline(), index).at("alignment").request) << "scores have no steps";
}

TEST(RecordedSteps, AndNewBlocksAreRequestedTogether) {
  FakeIndex index;
  index.carry_out(plan_all(pipeline({"tuned.clean=true"}), index).at("samples"));
  const auto plan = plan_all(pipeline({"tuned.intermediate_step=6", "samples.samples_per_condition=6"}), index).at("samples");
  EXPECT_THAT(plan.missing, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(plan.missing_steps.at(2), ElementsAre(0, 6));
  EXPECT_THAT(plan.missing_steps.at(3), ElementsAre(0, 2, 5, 6, 7, 10, 12, 15, 17));
  EXPECT_EQ(plan.because, "1 block of 4 to compute, 3 blocks without a step asked for");
}

}  // namespace
}  // namespace espalier::plan
