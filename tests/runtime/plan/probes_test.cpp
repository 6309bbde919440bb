// Blocks of another build or machine are probed before they are used; the planner reads only the index.
#include "runtime/plan/probes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_pipeline.h"

namespace espalier::plan {
namespace {

using testing::AllOf, testing::HasSubstr, testing::IsEmpty, testing::SizeIs;

Value cpu(const std::string& model) { return Value::Map{{"cpu", model}}; }

// The pipeline on another machine, or with another build of a plugin.
Fake on(const std::string& model, const std::vector<std::string>& overrides = {}) {
  Fake fake(overrides);
  fake.spec.numerics_class = cpu(model);
  return fake;
}
Fake rebuilt(const std::string& type) {
  auto fake = on("X");
  for (auto& stage : fake.spec.stages) {
    if (stage.libraries.contains(type)) stage.libraries[type] = "other bytes";
  }
  return fake;
}

// All of the pipeline, made on the CPU "X".
struct Probes : testing::Test {
  Fake here = on("X");
  FakeIndex index;
  Plans plans;
  void SetUp() override {
    index.numerics_class = cpu("X");
    plans = run_all(here, index);
  }
  void record(const StagePlan& plan, const Fake& fake) {
    for (const auto& probe : plan.probes) index.probed[plan.key].push_back({maker_of(fake.spec, *plan.stage), probe.against});
  }
};

TEST_F(Probes, AreNotRequiredOfTheMakerOfTheBlocks) {
  for (const auto& [tag, plan] : plans) {
    EXPECT_THAT(plan.probes, IsEmpty()) << tag;
    EXPECT_EQ(action_text(plan), "reuse") << tag;
  }
}

TEST_F(Probes, AreRequiredOnAnotherMachineAndTheReasonIsGiven) {
  const auto there = on("Y");
  const auto again = plan_all(there, index);
  for (const char* tag : {"samples", "alignment", "tuned_samples", "tuned_alignment"}) {
    EXPECT_EQ(action_text(again.at(tag)), "probe, then reuse") << tag;
    EXPECT_THAT(again.at(tag).probes, SizeIs(1)) << tag;
  }
  EXPECT_EQ(again.at("samples").because, "all 3 blocks in the cache; block 0 is of another numerics class (cpu \"X\" there, \"Y\" here)");
  for (const char* tag : {"best", "tuned", "summary"}) EXPECT_EQ(action_text(again.at(tag)), "reuse") << "published whole: " << tag;
}

TEST_F(Probes, AreRequiredOnlyAfterARebuildOfWhatComputedTheBlocks) {
  const auto other = rebuilt("reward.fake");
  const auto again = plan_all(other, index);
  EXPECT_EQ(action_text(again.at("samples")), "reuse") << "a sampler does not run the reward's code";
  EXPECT_EQ(action_text(again.at("alignment")), "probe, then reuse");
  EXPECT_THAT(again.at("alignment").because, HasSubstr("block 0 is of another build of reward.fake"));
  const auto domain = rebuilt("domain.fake");
  EXPECT_EQ(action_text(plan_all(domain, index).at("samples")), "probe, then reuse");
  EXPECT_EQ(action_text(plan_all(domain, index).at("alignment")), "probe, then reuse");
}

TEST_F(Probes, ComeBeforeASetIsAddedTo) {
  const auto there = on("Y", {"samples.samples_per_condition=6"});
  const auto plan = plan_all(there, index).at("samples");
  EXPECT_EQ(action_text(plan), "probe, then run");
  EXPECT_THAT(plan.because, AllOf(HasSubstr("1 block of 4 to compute"), HasSubstr("block 0 is of another")));
}

TEST_F(Probes, AreRequiredOnce) {
  const auto there = on("Y");
  record(plan_all(there, index).at("samples"), there);
  EXPECT_EQ(action_text(plan_all(there, index).at("samples")), "reuse");
  EXPECT_EQ(action_text(plan_all(there, index).at("alignment")), "probe, then reuse") << "the scores are another set";
}

TEST_F(Probes, HoldForBothSidesAndForWhatIsLinkedByOthers) {
  const auto there = on("Y"), third = on("Z");
  record(plan_all(there, index).at("samples"), there);
  const auto key = plans.at("samples").key;
  index.sets.at(key).at(1).total.makers = {maker_of(there.spec, *there.spec.find("samples"))};
  EXPECT_EQ(action_text(plan_all(here, index).at("samples")), "reuse") << "X need not probe Y, which probed X";
  const auto asked = plan_all(third, index).at("samples");
  ASSERT_THAT(asked.probes, SizeIs(2));
  index.probed[key].push_back({maker_of(third.spec, *asked.stage), asked.probes.front().against});
  EXPECT_EQ(action_text(plan_all(third, index).at("samples")), "reuse") << "Z is X, and X is Y";
}

TEST_F(Probes, AreRequiredOfBlocksBeyondTheViewToo) {
  const auto key = plans.at("samples").key;
  index.sets.at(key).at(2).total.makers = {{Value::Map{{"sampler.fake", "other bytes"}}, cpu("X")}};
  const auto small = on("X", {"samples.samples_per_condition=1"});
  const auto plan = plan_all(small, index).at("samples");
  ASSERT_THAT(plan.probes, SizeIs(1));
  EXPECT_EQ(plan.probes.front().block, 2u);
}

TEST_F(Probes, AreRequiredOfRecordsThatNameNoBuild) {
  const auto key = plans.at("samples").key;
  for (auto& [block, status] : index.sets.at(key)) status.total.makers = {{Value(), cpu("X")}};
  const auto plan = plan_all(here, index).at("samples");
  EXPECT_EQ(plan.because, "all 3 blocks in the cache; block 0 is of a build that its record does not name");
  record(plan, here);
  EXPECT_EQ(action_text(plan_all(here, index).at("samples")), "reuse");
}

TEST_F(Probes, OfScoresNeedTheirSamples) {
  const auto small = on("X", {"samples.samples_per_condition=1"}), other = rebuilt("reward.fake");
  FakeIndex fresh;
  fresh.numerics_class = cpu("X");
  const auto key = plan_all(here, fresh).at("samples").key;
  fresh.carry_out(plan_all(here, fresh).at("samples"));
  fresh.carry_out(plan_all(small, fresh).at("alignment"));  // block 0
  fresh.carry_out(plan_all(other, fresh).at("alignment"));  // blocks 1 and 2, as if at the same time
  for (const std::uint64_t block : {1, 2}) {
    const auto plan = plan_all(small, fresh).at("alignment");
    ASSERT_THAT(plan.probes, SizeIs(1));
    EXPECT_EQ(plan.probes.front().block, block);
    fresh.sets.at(key).erase(block);
  }
  EXPECT_THAT(plan_all(small, fresh).at("alignment").probes, IsEmpty()) << "nothing is there to be scored again, nor used";
}

TEST(Blocks, AreComputedWholeAndWhatLiesBeyondTheViewIsReported) {
  const auto samples = [](const char* count) { return plan_all(pipeline({count}), FakeIndex()).at("samples"); };
  EXPECT_EQ(samples("samples.max_conditions=2").samples_beyond_view, 8);  // 2 x 4 of a block of 16
  EXPECT_EQ(samples("samples.max_conditions=4").samples_beyond_view, 0);
  EXPECT_EQ(samples("samples.max_conditions=5").samples_beyond_view, 12);
  const Fake& fake = pipeline({"samples.max_conditions=2"});
  FakeIndex index;
  index.carry_out(plan_all(fake, index).at("samples"));
  EXPECT_EQ(plan_all(fake, index).at("samples").samples_beyond_view, 0) << "there is nothing to compute";
  EXPECT_EQ(plan_all(fake, index).at("alignment").samples_beyond_view, 8);
}

}  // namespace
}  // namespace espalier::plan
