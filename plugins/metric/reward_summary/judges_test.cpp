// A judging reward beside the reward: its numbers, and when the two together are the sign of reward hacking.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

constexpr std::int64_t kPrompts = 40;

// Prompt c scores mean + spread in one half of the prompts and mean - spread in the other.
ScoredView scored(const std::string& tag, const std::string& samples, double mean, double spread = 0.01) {
  ScoredView view{.tag = tag, .score = {}, .condition = {}, .samples = samples};
  for (std::int64_t c = 0; c < kPrompts; ++c) {
    view.score.push_back(mean + (c % 2 == 0 ? spread : -spread));
    view.condition.push_back(c);
  }
  return view;
}

// Tuned samples whose size gains `gain` and whose judge gains `judge_gain`.
MetricInput study(double gain, double judge_gain, double spread = 0.01) {
  MetricInput input{{}, {1, random::Purpose::evaluation}};
  input.scores["scores"] = {scored("tuned_size", "tuned", gain, spread)};
  input.scores["baseline"] = {scored("base_size", "base", 0.0, 0.0)};
  input.scores["judge"] = {scored("base_judge", "base", 0.75, 0.0), scored("tuned_judge", "tuned", 0.75 + judge_gain, spread)};
  return input;
}

Findings measure(const MetricInput& input, const Options& options = {}) {
  return make<Metric>(plugin("metric.reward_summary"), options)->measure(input);
}

TEST(Judges, MeanAndPairedGainStandBesideTheRewards) {
  const auto found = measure(study(0.5, -0.25));
  std::vector<std::string> names;
  for (const auto& scalar : found.scalars) names.push_back(scalar.name);
  EXPECT_THAT(names, ElementsAre("reward", "perfect_share", "judge_reward", "gain", "judge_gain"));
  const auto& judge = found.scalars[2];
  EXPECT_NEAR(judge.value, 0.5, 1e-12);
  EXPECT_EQ(judge.about, (Subject{.stage = "tuned_size"}));
  const auto& gain = found.scalars[4];
  EXPECT_NEAR(gain.value, -0.25, 1e-12);
  EXPECT_EQ(gain.about, (Subject{.stage = "tuned_size", .baseline = "base_size"}));
  EXPECT_EQ(gain.interval, intervals::Kind::bootstrap);
  EXPECT_EQ(gain.count, kPrompts);
  EXPECT_THAT(unique_names(measure(study(0.5, -0.25), {{"judge_name", "shape"}, {"judge_gain_name", "shape_gain"}}).scalars),
              ElementsAre("reward", "perfect_share", "shape", "gain", "shape_gain"));
}

TEST(Judges, ARisingRewardWithAFallingJudgeIsNamedInOneSentence) {
  const auto found = measure(study(0.5, -0.25, 0.0));
  EXPECT_THAT(found.warnings,
              ElementsAre("the sign of reward hacking: 'tuned_size' gained 0.5 [0.5, 0.5] over 'base_size', while the judge 'tuned_judge' "
                          "lost 0.25 [0.25, 0.25] against 'base_judge'"));
  EXPECT_EQ(found.stop, "") << "the run ends only where the option asks for it";
  EXPECT_EQ(measure(study(0.5, -0.25, 0.0), {{"stop_when_hacked", true}}).stop, found.warnings.front());
}

// The mean of 40 prompts at +-s has the standard error s / sqrt(40): at s = 0.5 an interval of about +-0.155.
TEST(Judges, NothingIsNamedThatAnIntervalDoesNotProve) {
  const auto warnings = [](double gain, double judge_gain) {
    const auto found = measure(study(gain, judge_gain, 0.5), {{"stop_when_hacked", true}});
    EXPECT_EQ(found.stop.empty(), found.warnings.empty());
    return found.warnings;
  };
  EXPECT_EQ(warnings(0.2, -0.2).size(), 1U);
  EXPECT_THAT(warnings(0.2, -0.1), IsEmpty()) << "the judge's interval holds 0";
  EXPECT_THAT(warnings(0.1, -0.2), IsEmpty()) << "the reward's does";
  EXPECT_THAT(warnings(0.2, 0.2), IsEmpty());
  EXPECT_THAT(warnings(-0.2, -0.2), IsEmpty());
  auto one = study(0.5, -0.25);
  for (auto& [name, views] : one.scores) {
    for (auto& view : views) view.score.resize(1), view.condition.resize(1);
  }
  EXPECT_THAT(measure(one).warnings, IsEmpty()) << "one prompt has no interval";
}

TEST(Judges, WithoutABaselineAJudgeHasItsMeanAlone) {
  auto input = study(0.5, -0.25);
  input.scores.erase("baseline");
  EXPECT_THAT(unique_names(measure(input).scalars), ElementsAre("reward", "perfect_share", "judge_reward"));
}

PlannedView planned(const std::string& tag, const std::string& samples) { return {.tag = tag, .size = 8, .samples = samples}; }

void check(std::map<std::string, std::vector<PlannedView>> views, const Options& options = {}) {
  const auto domain = toy_domain();
  make<Metric>(plugin("metric.reward_summary"), options)->check_inputs({std::move(views), nullptr, *domain});
}

TEST(Judges, OfOtherSamplesAreRefused) {
  const auto scores = planned("size", "tuned"), base = planned("base_size", "base");
  const auto judge = planned("judge", "tuned"), of_base = planned("base_judge", "base");
  check({{"scores", {scores}}, {"baseline", {base}}, {"judge", {of_base, judge}}});
  check({{"scores", {scores}}, {"judge", {judge}}});
  const auto refused = [&](const std::vector<PlannedView>& judges, const std::string& message) {
    EXPECT_THAT([&] { check({{"scores", {scores}}, {"baseline", {base}}, {"judge", judges}}); },
                ThrowsMessage<ConfigError>(HasSubstr(message)));
  };
  refused({judge, planned("other_judge", "other")},
          "the judge 'other_judge' scores the samples of 'other', but scores and baseline are of 'tuned', 'base'");
  refused({judge}, "no judge scores the samples of 'base', which 'base_size' is of; name one judge for each of the scores");
  refused({judge, of_base, planned("again", "tuned")}, "two judges score the samples of 'tuned'");
  refused({scores, of_base}, "the judge 'size' is one of the scores");
}

TEST(Judges, AStopWithoutBothGainsIsRefused) {
  EXPECT_THAT([&] { check({{"scores", {planned("size", "tuned")}}}, {{"stop_when_hacked", true}}); },
              ThrowsMessage<ConfigError>(HasSubstr("name the inputs `baseline` and `judge`")));
}

}  // namespace
}  // namespace espalier::conformance
