// Inversions of examples, the flow trained on them, and samplers that start from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_pipeline.h"
#include "runtime/base/errors.h"

namespace espalier::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::string corrected_text() {
  return R"(
name = "corrected"
[domain]
type = "domain.fake"
[domain.options]
example_count = 100
[models]
base = ")" +
         model_folder("base") + R"("
small = ")" +
         model_folder("small") + R"("
[[stage]]
tag = "inversions"
type = "noise_corrector.fake"
inputs = { model = "base" }
[stage.options]
block_size = 16
[[stage]]
tag = "corrector"
type = "trainer.fake"
inputs = { model = "small", examples = "inversions" }
[[stage]]
tag = "plain"
type = "sampler.fake"
inputs = { model = "base" }
[stage.options]
record_steps = [1.0]
[[stage]]
tag = "corrected"
type = "sampler.fake"
inputs = { model = "base", prior = "corrector" }
[stage.options]
record_steps = [1.0]
)";
}

const Fake& corrected(const std::vector<std::string>& overrides = {}) { return pipeline(overrides, {}, corrected_text()); }

Plans after_a_run(const std::vector<std::string>& overrides = {}) {
  FakeIndex index;
  return run_all(corrected(overrides), index);
}

TEST(Inversion, HoldsTheExampleAndItsNoise) {
  const auto plan = plan_all(corrected(), FakeIndex()).at("inversions");
  EXPECT_THAT(plan.steps, ElementsAre(0, 4));
  EXPECT_EQ(plan.samples, 100);
  EXPECT_EQ(plan.missing.size(), 7u);
  EXPECT_EQ(plan.network_evaluations, 7 * 16 * 32);
}

TEST(Inversion, GrowsByTheExamplesThatAreNew) {
  FakeIndex index;
  index.carry_out(plan_all(corrected({"inversions.max_examples=40"}), index).at("inversions"));
  EXPECT_THAT(plan_all(corrected(), index).at("inversions").missing, ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(plan_all(corrected({"inversions.max_examples=30"}), index).at("inversions").action, Action::reuse);
  EXPECT_EQ(plan_all(corrected({"inversions.max_examples=1000"}), index).at("inversions").samples, 100) << "there are no more";
}

TEST(Inversion, IsIdentifiedByItsExamplesModelAndOptions) {
  const auto key = [](const std::vector<std::string>& overrides) {
    return plan_all(corrected(overrides), FakeIndex()).at("inversions").key;
  };
  const auto plain = key({});
  const std::vector<std::string> others{"domain.examples=others",    "domain.example_count=99",  "models.base=" + model_folder("others"),
                                        "inversions.tolerance=1e-3", "inversions.block_size=32", "seed=3",
                                        "domain.decoder=another"};  // a codec encodes the examples too
  for (const auto& other : others) {
    EXPECT_NE(key({other}), plain) << other;
  }
  for (const char* same :
       {"inversions.max_examples=40", "inversions.record_steps=[1]", "inversions.max_unconverged_fraction=0.5", "domain.prompts=others"}) {
    EXPECT_EQ(key({same}), plain) << same;
  }
}

TEST(Inversion, NeedsExamplesThatEnd) {
  EXPECT_THAT([] { plan_all(corrected({"domain.example_count=0"}), FakeIndex()); }, ThrowsMessage<Error>(HasSubstr("without end")));
}

TEST(Corrector, DependsOnTheNoisesAndTheirNumber) {
  const auto plain = after_a_run(), fewer = after_a_run({"inversions.max_examples=40"}), other = after_a_run({"inversions.tolerance=1e-3"});
  EXPECT_NE(plain.at("corrector").key, fewer.at("corrector").key);
  EXPECT_NE(plain.at("corrector").key, other.at("corrector").key);
  EXPECT_EQ(plain.at("corrector").request.at("model").at("digest").as_string(), digest_of_folder("small"));
}

// Before the inversions and the corrector are there: only their weights are not known yet.
TEST(Prior, IsCheckedBeforeItIsMade) {
  const auto planned = [](const std::vector<std::string>& overrides) { plan_all(corrected(overrides), FakeIndex()); };
  EXPECT_NO_THROW(planned({"corrected.prior_steps=4"}));
  EXPECT_THAT([&] { planned({"corrected.prior_steps=7"}); },
              ThrowsMessage<Error>(testing::AllOf(HasSubstr("stage 'corrected'"), HasSubstr("for 4 steps"))));
}

// A base that is itself still to be trained: its key stands for its weights, the same in every call.
TEST(Prior, OfABaseThatIsNotYetTrained) {
  const auto text = [](const std::string& sampled) {
    auto stages = corrected_text();
    const auto at = stages.find("[[stage]]");
    stages.insert(at, "[[stage]]\ntag = \"trained\"\ntype = \"trainer.fake\"\ninputs = { model = \"base\" }\n");
    const std::string inverted = "type = \"noise_corrector.fake\"\ninputs = { model = \"base\" }";
    stages.replace(stages.find(inverted), inverted.size(), "type = \"noise_corrector.fake\"\ninputs = { model = \"trained\" }");
    const std::string corrected = "inputs = { model = \"base\", prior";
    stages.replace(stages.find(corrected), corrected.size(), "inputs = { model = \"" + sampled + "\", prior");
    return stages;
  };
  const std::vector<std::string> strict{"corrected.prior_steps=4"};
  EXPECT_NO_THROW(plan_all(pipeline(strict, {}, text("trained")), FakeIndex()));
  EXPECT_THAT([&] { plan_all(pipeline(strict, {}, text("base")), FakeIndex()); },
              ThrowsMessage<Error>(testing::AllOf(HasSubstr("stage 'corrected'"), HasSubstr("another model"))));
}

TEST(Predicted, TrainingThatWouldBeRefusedIsReportedFirst) {
  EXPECT_THAT([] { plan_all(pipeline({"tuned.intermediate_step=13"}), FakeIndex()); },
              ThrowsMessage<Error>(testing::AllOf(HasSubstr("stage 'tuned'"), HasSubstr("13 is not trained"))));
}

TEST(Prior, ComesFirstAndItsNoiseMayBeKept) {
  const auto plans = after_a_run();
  const auto &plain = plans.at("plain"), &with_prior = plans.at("corrected");
  EXPECT_NE(plain.key, with_prior.key);
  ASSERT_EQ(with_prior.phases.size(), 2u);
  EXPECT_EQ(with_prior.phases.front().segments.front().model.digest, plans.at("corrector").result->digest);
  EXPECT_EQ(with_prior.phases.back().start, "previous");
  EXPECT_TRUE(plain.steps.contains(20)) << "both have record_steps = [1.0]";
  EXPECT_TRUE(with_prior.steps.contains(20));
  EXPECT_EQ(plan_all(corrected(), FakeIndex()).at("corrected").pending, std::vector<std::string>{"corrector"});
}

TEST(Models, AreNamesThatInputsMayUse) {
  const auto with = [](const std::string& from, const std::string& to) {
    auto text = corrected_text();
    text.replace(text.find(from), from.size(), to);
    pipeline({}, {}, text);
  };
  EXPECT_THAT([&] { with("model = \"small\"", "model = \"smal\""); }, ThrowsMessage<Error>(HasSubstr("did you mean 'small'?")));
  EXPECT_THAT([&] { with("tag = \"plain\"", "tag = \"small\""); },
              ThrowsMessage<Error>(HasSubstr("stage 'small': the tag is a name of [models] too")));
  EXPECT_THAT([&] { with("examples = \"inversions\"", "examples = \"small\""); },
              ThrowsMessage<Error>(HasSubstr("takes trajectories, but 'small' of [models] gives a model")));
}

}  // namespace
}  // namespace espalier::plan
