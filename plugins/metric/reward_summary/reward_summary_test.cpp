#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/selection/intervals.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

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

// Four prompts of two categories and one of none, two samples each.
const std::vector<Value> kMetadata = {Value::Map{{"category", "color"}, {"n", 1}}, Value::Map{{"category", "shape"}, {"n", 2}},
                                      Value::Map{{"category", "color"}, {"n", 1}}, Value::Map{{"category", "shape"}, {"n", 1}},
                                      Value::Map{{"n", 3}}};
ScoredView categorised(const std::string& tag, const std::vector<double>& score) {
  return {tag, score, {0, 1, 2, 3, 4, 0, 1, 2, 3, 4}, {}, kMetadata};
}

TEST(RewardSummary, GivesATableByAKeyOfTheMetadata) {
  const auto tuned = categorised("tuned", {1, 2, 3, 4, 5, 1, 4, 5, 6, 5});
  const auto base = categorised("base", {0, 1, 1, kNan, 5, 0, 1, 2, 3, 4});
  const auto metric = make<Metric>(plugin("metric.reward_summary"), {{"group_by", Value::List{"category"}}, {"reward_name", "alignment"}});
  const auto found = metric->measure(input_of({{"scores", {tuned, base}}, {"baseline", {base}}}));
  EXPECT_EQ(found.scalars.size(), 5U) << "as without tables";
  ASSERT_EQ(found.tables.size(), 1U);
  const auto& table = found.tables.front();
  EXPECT_EQ(table.name, "alignment_by_category");
  std::vector<std::string> columns;
  for (const auto& column : table.columns) columns.push_back(column.name);
  EXPECT_THAT(columns, testing::ElementsAre("category", "scores", "conditions", "samples", "alignment", "alignment_low", "alignment_high",
                                            "gain", "gain_low", "gain_high"));
  ASSERT_EQ(table.rows.size(), 6U);
  const auto head = [&](std::size_t row) { return Value::List(table.rows[row].begin(), table.rows[row].begin() + 5); };
  EXPECT_EQ(head(0), (Value::List{"color", "tuned", 2, 4, 2.5}));
  EXPECT_EQ(head(1), (Value::List{"color", "base", 2, 4, 0.75}));
  EXPECT_EQ(head(2), (Value::List{"shape", "tuned", 2, 4, 4.0}));
  EXPECT_EQ(head(3), (Value::List{"shape", "base", 2, 3, 5.0 / 3})) << "less the score that is none";
  EXPECT_EQ(head(4), (Value::List{nullptr, "tuned", 1, 2, 5.0}));
  EXPECT_EQ(table.rows[0][7], Value(1.75));
  EXPECT_EQ(table.rows[2][7], Value((1.0 + 3.0 + 3.0) / 3)) << "in pairs";
  EXPECT_TRUE(table.rows[1][7].is_null()) << "no gain over itself";
  EXPECT_TRUE(table.rows[4][5].is_null()) << "no interval of a single prompt";
}

// As the scalar of the same prompts alone: the interval is over prompts.
TEST(RewardSummary, AGroupsIntervalIsThatOfItsPrompts) {
  auto all = study(7, 30, 4);
  auto even = all;
  even.score.clear();
  even.condition.clear();
  for (std::int64_t c = 0; c < 30; ++c) all.metadata.push_back(Value::Map{{"even", c % 2 == 0}});
  for (std::size_t i = 0; i < all.score.size(); ++i) {
    if (all.condition[i] % 2 != 0) continue;
    even.score.push_back(all.score[i]);
    even.condition.push_back(all.condition[i]);
  }
  const auto metric = make<Metric>(plugin("metric.reward_summary"), {{"group_by", Value::List{"even"}}});
  const auto table = metric->measure(input_of({{"scores", {all}}})).tables.at(0);
  const auto alone = scalars({}, input_of({{"scores", {even}}})).at(0);
  EXPECT_EQ(table.rows.at(0), (Value::List{"true", "alignment", 15, 60, alone.value, alone.low, alone.high}));
}

TEST(RewardSummary, RefusesKeysThatNoPromptHas) {
  const auto view = categorised("a", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const auto measure = [&](const Value::List& keys) {
    make<Metric>(plugin("metric.reward_summary"), {{"group_by", keys}})->measure(input_of({{"scores", {view}}}));
  };
  EXPECT_THAT([&] { measure({"categroy"}); },
              ThrowsMessage<ConfigError>(
                  HasSubstr("group_by names 'categroy', which no prompt of 'a' has in its metadata; did you mean 'category'?")));
  auto listed = view;
  listed.metadata[3] = Value::Map{{"category", Value::List{"color"}}};
  const auto metric = make<Metric>(plugin("metric.reward_summary"), {{"group_by", Value::List{"category"}}});
  EXPECT_THAT([&] { metric->measure(input_of({{"scores", {listed}}})); },
              ThrowsMessage<ConfigError>(HasSubstr("which is a list in the metadata")));
  EXPECT_THAT([&] { make<Metric>(plugin("metric.reward_summary"), {{"group_by", Value::List{"n", "category", "n"}}})->check(); },
              ThrowsMessage<ConfigError>(HasSubstr("group_by names 'n' twice")));
  const auto domain = toy_domain();
  const PlannedInputs planned{{{"scores", {{.tag = "a", .size = 10, .metadata = kMetadata}}}}, nullptr, *domain};
  EXPECT_THAT([&] { make<Metric>(plugin("metric.reward_summary"), {{"group_by", Value::List{"kind"}}})->check_inputs(planned); },
              ThrowsMessage<ConfigError>(HasSubstr("'kind', which no prompt of 'a' has")));
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
