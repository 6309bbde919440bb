#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/selection/intervals.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> normals(std::uint64_t seed, std::uint64_t study, std::int64_t count) {
  random::Draws draws({seed, random::Purpose::evaluation}, {study});
  draws.begin(0);
  const auto values = draws.normals({count}, at::kDouble);
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + count};
}

// Prompts differ by their own amount; samples of a prompt scatter around it. True mean 0.
ScoredView study(std::uint64_t number, std::int64_t prompts, std::int64_t samples) {
  const auto prompt = normals(1, number, prompts);
  const auto sample = normals(2, number, prompts * samples);
  ScoredView view{"alignment", {}, {}};
  for (std::int64_t i = 0; i < prompts * samples; ++i) {
    view.condition.push_back(i % prompts);
    view.score.push_back(prompt[static_cast<std::size_t>(i % prompts)] + 0.5 * sample[static_cast<std::size_t>(i)]);
  }
  return view;
}

std::vector<Scalar> scalars(const Options& options, const MetricInput& input) {
  return make<Metric>(plugin("metric.reward_summary"), options)->measure(input).scalars;
}

MetricInput input_of(std::map<std::string, std::vector<ScoredView>> scores) {
  return {std::move(scores), {1, random::Purpose::evaluation}};
}

TEST(RewardSummary, Conforms) {
  auto other = study(4, 30, 4);
  other.tag = "other";
  check_metric(plugin("metric.reward_summary"), {}, input_of({{"scores", {study(3, 30, 4)}}}));
  check_metric(plugin("metric.reward_summary"), {{"resamples", 200}},
               input_of({{"scores", {study(3, 30, 4), other}}, {"baseline", {study(3, 30, 4)}}}));
}

TEST(RewardSummary, GivesMeanPerfectShareAndPairedGain) {
  const ScoredView tuned{"tuned", {1.0, 0.5, 0.75, 1.0F - 1e-7F}, {0, 1, 0, 1}};
  const ScoredView base{"base", {0.5, 0.5, 0.75, 0.5}, {0, 1, 0, 1}};
  const auto found =
      scalars({{"reward_name", "held_out_reward"}, {"gain_name", "held_out_gain"}}, input_of({{"scores", {tuned}}, {"baseline", {base}}}));
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].name, "held_out_reward");
  EXPECT_NEAR(found[0].value, 3.25 / 4, 1e-6);
  EXPECT_EQ(found[1].name, "perfect_share");
  EXPECT_EQ(found[1].value, 0.5);
  EXPECT_EQ(found[2].name, "held_out_gain");
  EXPECT_NEAR(found[2].value, 1.0 / 4, 1e-6);
}

// No sample is perfect, or all are: neither is proof of a share of exactly 0 or 1.
TEST(RewardSummary, ASharesIntervalHasAWidthWhereAllScoresAgree) {
  ScoredView view{"tuned", {}, {}};
  for (std::int64_t i = 0; i < 64; ++i) {
    view.score.push_back(0.25);
    view.condition.push_back(i % 16);
  }
  const auto none = scalars({}, input_of({{"scores", {view}}})).at(1);
  EXPECT_EQ(none.value, 0.0);
  EXPECT_EQ(none.low, 0.0);
  EXPECT_NEAR(none.high, intervals::wilson(0, 16).high, 1e-12) << "sixteen prompts, not 64 samples";
  EXPECT_NEAR(none.high, 0.19361, 1e-5);  // z^2 / (16 + z^2)
  const auto all = scalars({{"perfect_score", 0.25}}, input_of({{"scores", {view}}})).at(1);
  EXPECT_EQ(all.high, 1.0);
  EXPECT_NEAR(all.low, 1.0 - none.high, 1e-12);
}

TEST(RewardSummary, NamesManyScoresByTheirTagsAndGivesABaselineNoGain) {
  const ScoredView a{"a", {0.1, 0.2}, {0, 1}};
  const ScoredView b{"b", {0.3, 0.4}, {0, 1}};
  const auto found = scalars({}, input_of({{"scores", {a, b}}, {"baseline", {a}}}));
  EXPECT_EQ(found.back().about, (Subject{.stage = "b", .baseline = "a"}));
  EXPECT_EQ(found.back().interval, intervals::Kind::bootstrap);
  EXPECT_EQ(found.back().count, 2) << "prompts";
  EXPECT_EQ(found.front().about, (Subject{.stage = "a"}));
  EXPECT_THAT(unique_names(found), testing::ElementsAre("reward.a", "perfect_share.a", "reward.b", "perfect_share.b", "gain.b"));
}

TEST(RewardSummary, LeavesInvalidScoresOutInPairs) {
  const ScoredView tuned{"tuned", {1.0, kNan, 0.5, 0.5}, {0, 1, 2, 3}};
  const ScoredView base{"base", {0.5, 0.0, std::numeric_limits<double>::infinity(), 0.25}, {0, 1, 2, 3}};
  const auto found = scalars({}, input_of({{"scores", {tuned}}, {"baseline", {base}}}));
  EXPECT_NEAR(found[0].value, 2.0 / 3, 1e-12);
  EXPECT_NEAR(found[1].value, 1.0 / 3, 1e-12);
  EXPECT_NEAR(found[2].value, 0.375, 1e-12);
}

TEST(RewardSummary, RefusesABaselineOfOtherPromptsAndScoresWithoutAnyValue) {
  const ScoredView a{"a", {0.1, 0.2}, {0, 1}, "train"};
  const ScoredView b{"b", {0.3, 0.4}, {1, 0}, "train"};
  EXPECT_THAT([&] { scalars({}, input_of({{"scores", {a}}, {"baseline", {b}}})); },
              ThrowsMessage<StageError>(HasSubstr("same split, max_conditions and samples_per_condition")));
  const ScoredView held_out{"held_out", {0.3, 0.4}, {0, 1}, "held_out"};  // as many, of another split
  EXPECT_THAT([&] { scalars({}, input_of({{"scores", {a}}, {"baseline", {held_out}}})); },
              ThrowsMessage<StageError>(HasSubstr("same split, max_conditions and samples_per_condition")));
  EXPECT_THROW(scalars({}, input_of({{"scores", {{"a", {kNan, kNan}, {0, 1}}}}})), StageError);
}

}  // namespace
}  // namespace espalier::conformance
