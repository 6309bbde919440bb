#include "runtime/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_pipeline.h"
#include "runtime/base/errors.h"

namespace espalier::plan {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::UnorderedElementsAre;

std::set<std::string> tags_to_run(const Plans& plans) {
  std::set<std::string> tags;
  for (const auto& [tag, plan] : plans) {
    if (plan.action == Action::run) tags.insert(tag);
  }
  return tags;
}

TEST(Plan, RunsAllThatAnEmptyCacheLacksAndGivesTheReason) {
  const Fake& fake = pipeline();
  const auto plans = plan_all(fake, FakeIndex());
  EXPECT_EQ(tags_to_run(plans).size(), 8u);
  EXPECT_EQ(plans.at("samples").because, "no such trajectories in the cache");
  EXPECT_EQ(plans.at("alignment").because, "no such scores in the cache");
  EXPECT_EQ(plans.at("best").because, "no such selection in the cache");
  EXPECT_EQ(plans.at("pretrained").because, "no such model in the cache");
  EXPECT_THAT(plans.at("samples").missing, ElementsAre(0, 1, 2));  // 40 samples in blocks of 16
  EXPECT_EQ(plans.at("samples").key, digest(plans.at("samples").request));
}

TEST(Plan, ReusesStagesWhoseKeysAreCached) {
  const Fake& fake = pipeline();
  FakeIndex index;
  const auto plans = run_all(fake, index);
  ASSERT_EQ(plans.size(), 8u);
  for (const auto& [tag, plan] : plans) {
    SCOPED_TRACE(tag);
    EXPECT_EQ(plan.action, Action::reuse);
    EXPECT_THAT(plan.because, HasSubstr("in the cache"));
    EXPECT_TRUE(plan.result.has_value());
    EXPECT_THAT(plan.missing, IsEmpty());
    EXPECT_EQ(plan.samples_to_compute + plan.network_evaluations + plan.bytes, 0);
  }
  EXPECT_EQ(plans.at("samples").because, "all 3 blocks in the cache");
}

TEST(Plan, HasTheComponentsOfACachedModel) {
  FakeIndex index;
  EXPECT_EQ(run_all(pipeline(), index).at("tuned").result->model.components, (std::vector<std::string>{"text_encoder", "unet"}));
}

TEST(Plan, HasNoKeyBelowAStageNotYetMade) {
  const Fake& fake = pipeline();
  FakeIndex index;
  auto plans = plan_all(fake, index);
  EXPECT_EQ(plans.at("tuned").because, "key pending: best");
  for (const char* tag : {"samples", "alignment", "best"}) index.carry_out(plans.at(tag));
  plans = plan_all(fake, index);
  EXPECT_EQ(plans.at("tuned").action, Action::run);
  EXPECT_THAT(plans.at("tuned").pending, IsEmpty());
  for (const auto& [tag, above] :
       {std::pair{"tuned_samples", "tuned"}, {"tuned_alignment", "tuned_samples"}, {"summary", "tuned_alignment"}}) {
    const auto& plan = plans.at(tag);
    EXPECT_EQ(plan.action, Action::run) << tag;
    EXPECT_EQ(plan.because, std::string("key pending: ") + above);
    EXPECT_THAT(plan.pending, ElementsAre(above));
    EXPECT_EQ(plan.key, "");
    EXPECT_FALSE(plan.result.has_value());
  }
  index.carry_out(plans.at("tuned"));
  EXPECT_EQ(plan_all(fake, index).at("tuned_samples").because, "no such trajectories in the cache");
}

TEST(Plan, PlansAStageOnceAlsoWhenItWaits) {
  const auto& fake = pipeline();
  reward_identities() = 0;
  const auto plans = plan_all(fake, FakeIndex());
  EXPECT_THAT(plans.at("tuned_alignment").pending, ElementsAre("tuned_samples"));
  EXPECT_EQ(reward_identities(), 2) << "of 'alignment' and of 'tuned_alignment'";
}

TEST(Plan, ReadsOnlyTheIndexAgainForAStageThatIsPlanned) {
  const auto& fake = pipeline();
  FakeIndex index;
  const auto before = plan_all(fake, index);
  index.carry_out(before.at("samples"));
  reward_identities() = 0;
  auto again = before.at("samples");
  look_up(fake.spec, index, again);
  EXPECT_EQ(again.action, Action::reuse);
  EXPECT_EQ(again.samples_to_compute, 0);
  EXPECT_THAT(again.missing, IsEmpty());
  auto scores = before.at("alignment");
  look_up(fake.spec, index, scores);
  EXPECT_EQ(scores.key, before.at("alignment").key);
  EXPECT_EQ(reward_identities(), 0);
}

TEST(Plan, NamesEveryStageThatAKeyWaitsFor) {
  auto text = pipeline_text();
  const std::string from = R"(scores = ["tuned_alignment"], baseline = "alignment")";
  text.replace(text.find(from), from.size(), R"(scores = ["tuned_alignment", "other"], baseline = "alignment")");
  text += "[[stage]]\ntag = \"other_samples\"\ntype = \"sampler.fake\"\ninputs = { model = \"pretrained\" }\n";
  text += "[[stage]]\ntag = \"other\"\ntype = \"reward.fake\"\ninputs = { samples = \"other_samples\" }\n";
  const auto plans = plan_all(pipeline({}, {}, text), FakeIndex());
  EXPECT_EQ(plans.at("summary").because, "key pending: tuned_alignment, other");
}

TEST(Plan, ChangesOnlyTheSelectionAndBelowWithTheFilter) {
  FakeIndex index;
  const auto before = run_all(pipeline(), index);
  const Fake& changed = pipeline({"best.k=2"});
  EXPECT_THAT(tags_to_run(plan_all(changed, index)), UnorderedElementsAre("best", "tuned", "tuned_samples", "tuned_alignment", "summary"));
  const auto after = run_all(changed, index);
  for (const char* tag : {"samples", "alignment", "pretrained"}) EXPECT_EQ(before.at(tag).key, after.at(tag).key) << tag;
  for (const char* tag : {"best", "tuned", "tuned_samples", "tuned_alignment", "summary"})
    EXPECT_NE(before.at(tag).key, after.at(tag).key) << tag;
  EXPECT_THAT(tags_to_run(plan_all(pipeline(), index)), IsEmpty()) << "the first experiment is still there";
}

TEST(Plan, ReusesTrajectoriesUnderAnotherReward) {
  FakeIndex index;
  run_all(pipeline(), index);
  const auto plans = plan_all(pipeline({"alignment.palette=cold"}), index);
  EXPECT_EQ(plans.at("samples").action, Action::reuse);
  EXPECT_EQ(plans.at("alignment").because, "no such scores in the cache");
  EXPECT_EQ(plans.at("pretrained").action, Action::reuse);
}

TEST(Plan, UsesATunedModelForItsStepsAlone) {
  FakeIndex index;
  const auto plans = run_all(pipeline(), index);
  const auto& segments = plans.at("tuned_samples").phases.front().segments;
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].model.digest, sha256("weights of " + plans.at("tuned").key));
  EXPECT_EQ(segments[0].last, 5);  // 0.25 of 20
  EXPECT_EQ(segments[1].model.digest, digest_of_folder("base"));
}

TEST(Plan, ReportsTheWorkAhead) {
  FakeIndex index;
  const Fake& fake = pipeline();
  const auto first = plan_all(fake, index).at("samples");
  EXPECT_EQ(first.samples, 40);
  EXPECT_EQ(first.samples_to_compute, 48);
  EXPECT_EQ(first.network_evaluations, 48 * 40);
  EXPECT_EQ(first.bytes, std::int64_t{48} * 12 * static_cast<std::int64_t>(first.missing_steps.at(0).size()));
  EXPECT_FALSE(first.seconds.has_value()) << "nothing has been measured yet";
  index.carry_out(first);  // 2 seconds a block
  const auto grown = plan_all(pipeline({"samples.samples_per_condition=8"}), index).at("samples");
  EXPECT_EQ(grown.samples_to_compute, 32);
  EXPECT_DOUBLE_EQ(grown.seconds.value_or(-1), 4.0);
  const auto shorter = plan_all(pipeline({"samples.num_inference_steps=10"}), index).at("samples");
  EXPECT_DOUBLE_EQ(shorter.seconds.value_or(-1), 3.0) << "the same network at half the evaluations";
}

TEST(Plan, RefusesAModelFolderThatIsGone) {
  Fake fake;
  fake.spec.models.at("base").folder = "gone";
  try {
    plan_all(fake, FakeIndex());
    FAIL() << "there is no such folder";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("stage 'samples'"), HasSubstr("gone: no such model folder")));
  }
}

TEST(Plan, GivesEachModelStatesOfItsOwnSize) {
  auto text = pipeline_text();
  text.insert(text.find("[defaults"), "large = \"" + model_folder("large", 5) + "\"\n");
  text += "[[stage]]\ntag = \"large_samples\"\ntype = \"sampler.fake\"\ninputs = { model = \"large\" }\n";
  const auto plans = plan_all(pipeline({}, {}, text), FakeIndex());
  for (const auto& [tag, size] : {std::pair{"samples", std::int64_t{3}}, {"large_samples", 5}}) {
    EXPECT_EQ(plans.at(tag).request.at("state").at("sample").at("shape"), Value(Value::List{size})) << tag;
    EXPECT_EQ(plans.at(tag).bytes % (4 * size), 0) << tag;
  }
}

TEST(Plan, RefusesATrajectoryOfModelsWithOtherStates) {
  auto text = pipeline_text();
  text.insert(text.find("[defaults"), "large = \"" + model_folder("large", 5) + "\"\n");
  const std::string from = R"(model = ["tuned", "base"])";
  text.replace(text.find(from), from.size(), R"(model = ["tuned", "large"])");
  EXPECT_THAT([&] { plan_all(pipeline({}, {}, text), FakeIndex()); },
              testing::ThrowsMessage<Error>(testing::AllOf(HasSubstr("stage 'tuned_samples'"), HasSubstr("'tuned' and 'large'"),
                                                           HasSubstr("states of different shapes"))));
}

TEST(NearestDifferences, NamesTheFieldsWithOldAndNew) {
  FakeIndex index;
  run_all(pipeline(), index);
  const auto plans = plan_all(pipeline({"best.k=3", "samples.eta=0.5"}), index);
  const auto sampler = nearest_differences(plans.at("samples"), index);
  ASSERT_EQ(sampler.size(), 1u);
  EXPECT_EQ(sampler[0].path, "sampler.options.eta");
  EXPECT_EQ(sampler[0].before, "1.0");
  EXPECT_EQ(sampler[0].after, "0.5");
  std::vector<std::string> paths;
  for (const auto& difference : nearest_differences(plans.at("best"), index)) paths.push_back(difference.path);
  EXPECT_THAT(paths, UnorderedElementsAre("filter.options.k", "scores", "set"));
}

TEST(NearestDifferences, TakesTheNearestOfSeveral) {
  FakeIndex index;
  run_all(pipeline({"samples.eta=0.0", "samples.num_inference_steps=10"}), index);
  run_all(pipeline({"samples.eta=0.25"}), index);
  const auto found = nearest_differences(plan_all(pipeline({"samples.eta=0.5"}), index).at("samples"), index);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].before, "0.25");
}

TEST(NearestDifferences, AreNoneWhereTheEntryIsThereOrNothingIsKnown) {
  FakeIndex index;
  const auto plans = plan_all(pipeline(), index);
  EXPECT_THAT(nearest_differences(plans.at("samples"), index), IsEmpty());
  EXPECT_THAT(nearest_differences(plans.at("tuned_samples"), index), IsEmpty()) << "its key is pending";
  for (const auto& [tag, plan] : run_all(pipeline(), index)) EXPECT_THAT(nearest_differences(plan, index), IsEmpty()) << tag;
}

}  // namespace
}  // namespace espalier::plan
