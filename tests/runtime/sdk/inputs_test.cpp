#include "runtime/sdk/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "runtime/sdk/kinds.h"
#include "runtime/sdk/plugin.h"

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A reward whose declaration is a function.
class Declaring final : public Reward {
 public:
  explicit Declaring(std::function<void(Inputs&)> declare) : declare_(std::move(declare)) {}
  void inputs(Inputs& in) override { declare_(in); }
  at::Tensor score(const RewardInput&) const override { return {}; }

 private:
  std::function<void(Inputs&)> declare_;
};

std::vector<InputInfo> declared(const std::function<void(Inputs&)>& declare) {
  Declaring plugin(declare);
  return declared_inputs(*find_kind("reward"), plugin);
}

TEST(Inputs, OfAPluginThatDeclaresNothingAreThoseOfItsKind) {
  const auto infos = declared([](Inputs&) {});
  ASSERT_EQ(infos.size(), 1u);
  EXPECT_EQ(infos[0].name, "samples");
  EXPECT_TRUE(infos[0].required);
  EXPECT_EQ(infos[0].takes_text(), "trajectories of a sampler");
}

TEST(Inputs, AUsualOneIsChangedByItsNameAndKeepsItsDoc) {
  const auto infos = declared([](Inputs& in) { in.trajectories("samples").of("molecule").many(); });
  ASSERT_EQ(infos.size(), 1u);
  EXPECT_EQ(infos[0].takes_text(), "trajectories of molecule samples of a sampler, one or more");
  EXPECT_FALSE(infos[0].doc.empty());
}

TEST(Inputs, OwnOnesComeAfterTheUsual) {
  const auto infos = declared([](Inputs& in) { in.model("model", "Judges.").of("classifier").process("rectified_flow").optional(); });
  ASSERT_EQ(infos.size(), 2u);
  EXPECT_EQ(infos[1].takes_text(), "model with the role classifier, of the process rectified_flow");
  EXPECT_FALSE(infos[1].required);
}

TEST(Inputs, RecordedStepsAreThoseThatAreRead) {
  InputInfo info;
  EXPECT_TRUE(info.recorded_steps(8).empty());
  info.records = {Step(0.25), Step(std::int64_t{5})};
  EXPECT_THAT(info.recorded_steps(8), ElementsAre(2, 5));
}

TEST(Inputs, ATransitionNeedsBothItsStatesButNotTheNoise) {
  InputInfo info;
  info.transitions = std::vector<Step>{Step(std::int64_t{3}), Step(1.0)};
  EXPECT_THAT(info.recorded_steps(8), ElementsAre(2, 3, 7)) << "step 8 is regenerated from the seed";
  info.transitions = std::vector<Step>{};
  EXPECT_THAT(info.recorded_steps(3), ElementsAre(0, 1, 2)) << "all transitions";
}

TEST(Inputs, WhatContradictsItselfIsAnError) {
  const auto refuses = [](const std::function<void(Inputs&)>& declare, const char* message) {
    EXPECT_THAT([&] { declared(declare); }, ThrowsMessage<InternalError>(HasSubstr(message)));
  };
  refuses([](Inputs& in) { in.scores("samples"); }, "'samples' is declared as trajectories and as scores");
  refuses([](Inputs& in) { in.examples("samples"); }, "'samples' is declared as trajectories and as examples");
  refuses([](Inputs& in) { in.scores("best").of("image"); }, "have no kind of sample and no role");
  refuses([](Inputs& in) { in.model("judge").records(Step()); }, "has no recorded steps");
  refuses([](Inputs& in) { in.selection("best").process("rectified_flow"); }, "no noise process");
  refuses([](Inputs& in) { in.model("model").excludes("worst"); }, "excludes the input 'worst', which is not declared");
  refuses([](Inputs& in) { in.model("teacher"); }, "'teacher' is not passed to a reward; it has: samples, model");
}

}  // namespace
}  // namespace espalier
