#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSubsetOf;
using testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::unique_ptr<Filter> deduplicate(const Options& options = {}) { return make<Filter>(plugin("filter.deduplicate"), options); }

Law law_of(const FilterInput& input, const Options& options = {}) {
  return espalier::law_of("filter.deduplicate", *deduplicate(options), input);
}

// Groups of `group_size` consecutive rows, all of one score.
FilterInput input_of(const std::vector<std::string>& keys, std::int64_t group_size) {
  FilterInput input;
  input.canonical_key = keys;
  input.score.assign(keys.size(), 0.5);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(keys.size()); ++i) {
    input.condition.push_back(i / group_size);
    input.index.push_back(i);
  }
  input.key = {1, random::Purpose::filter};
  return input;
}

// Uniform scores; the suite gives the keys.
FilterInput scored(std::int64_t count, std::int64_t group_size) {
  auto input = input_of(std::vector<std::string>(static_cast<std::size_t>(count)), group_size);
  input.canonical_key.clear();
  for (std::int64_t i = 0; i < count; ++i) input.score[static_cast<std::size_t>(i)] = static_cast<double>((i * 7919) % count);
  return input;
}

TEST(Deduplicate, Conforms) {
  check_filter(plugin("filter.deduplicate"), {}, scored(1200, 12));
  check_filter(plugin("filter.deduplicate"), {{"invalid", "keep"}}, scored(1200, 6));
  check_filter(plugin("filter.deduplicate"), {{"group_by", "all"}}, scored(600, 4));
}

TEST(Deduplicate, KeepsOneOfEachKeyInAGroup) {
  const auto input = input_of({"a", "b", "a", "c", "a", "a", "a", "d"}, 4);
  const auto selection = deduplicate()->select(input);
  EXPECT_EQ(selection.index.size(), 5U);  // a, b, c and a, d
  EXPECT_THAT(selection.index, testing::IsSupersetOf({1, 3, 7}));
  EXPECT_THAT(selection.weight, Each(1.0));
  EXPECT_EQ(deduplicate({{"group_by", "all"}})->select(input).index.size(), 4U);
}

TEST(Deduplicate, ChoosesUniformlyAmongCopies) {
  const auto selection = deduplicate()->select(input_of(std::vector<std::string>(100000, "a"), 5));
  ASSERT_EQ(selection.index.size(), 20000U);
  std::array<double, 5> found{};
  for (const auto index : selection.index) found[static_cast<std::size_t>(index % 5)] += 1.0;
  double chi_square = 0.0;
  for (const double count : found) chi_square += (count - 4000.0) * (count - 4000.0) / 4000.0;
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom, p = 0.001
}

TEST(Deduplicate, ChoosesByTheTrajectorysOwnDraw) {
  const auto whole = input_of(std::vector<std::string>(60, "a"), 60);
  const auto kept = deduplicate()->select(whole).index;
  FilterInput part = whole;  // without every third, but with the one that was kept
  part.score.clear(), part.condition.clear(), part.index.clear(), part.canonical_key.clear();
  for (std::int64_t i = 0; i < 60; ++i) {
    if (i % 3 == 0 && i != kept.front()) continue;
    part.score.push_back(0.5), part.condition.push_back(0), part.index.push_back(i), part.canonical_key.emplace_back("a");
  }
  EXPECT_EQ(deduplicate()->select(part).index, kept);
}

TEST(Deduplicate, WhatHasNoKeyIsACopyOfNothing) {
  const auto input = input_of({"", "a", "", "a", "b", ""}, 6);
  const auto dropped = deduplicate()->select(input).index;
  EXPECT_EQ(dropped.size(), 2U);
  EXPECT_THAT(dropped, IsSubsetOf({1, 3, 4}));
  const auto kept = deduplicate({{"invalid", "keep"}})->select(input).index;
  EXPECT_EQ(kept.size(), 5U);
  EXPECT_THAT(kept, testing::IsSupersetOf({0, 2, 4, 5}));
  EXPECT_THAT(law_of(input).formula, HasSubstr("2 of 3 samples, E[1/N_x] = 0.6667; 3 more without a key, dropped"));
  EXPECT_THAT(law_of(input, {{"invalid", "keep"}}).formula, HasSubstr("5 of 6 samples, E[1/N_x] = 0.8333; 3 of them without a key, kept"));
}

TEST(Deduplicate, WhatHasNoFiniteScoreIsNeitherKeptNorACopy) {
  auto input = input_of({"a", "a", "b", "b"}, 4);
  input.score = {kNan, 0.2, std::numeric_limits<double>::infinity(), kNan};
  EXPECT_THAT(deduplicate()->select(input).index, ElementsAre(1));
  EXPECT_DOUBLE_EQ(law_of(input).acceptance_rate, 1.0);
}

TEST(Deduplicate, LawIsMeasured) {
  auto input = input_of({"a", "a", "a", "b"}, 4);
  input.score = {0.0, 0.0, 0.0, 1.0};
  const auto law = law_of(input);
  EXPECT_DOUBLE_EQ(law.acceptance_rate, 0.5);
  EXPECT_NEAR(law.kl_nats, 0.5 * std::log(0.5 / 0.75) + 0.5 * std::log(0.5 / 0.25), 1e-12);
  EXPECT_NEAR(law.expected_quantile, 0.5 * 0.375 + 0.5 * 0.875, 1e-12);
  EXPECT_NEAR(law.density.front(), 0.5 / 0.75, 1e-12);
  EXPECT_NEAR(law.density.back(), 0.5 / 0.25, 1e-12);
  EXPECT_THAT(law.formula, HasSubstr("E[1/N_x] = 0.5"));
}

TEST(Deduplicate, LawOfThingsThatAllDifferIsTheBase) {
  const auto law = law_of(input_of({"a", "b", "c", "d", "a", "b"}, 4));
  EXPECT_DOUBLE_EQ(law.acceptance_rate, 1.0);
  EXPECT_DOUBLE_EQ(law.kl_nats, 0.0);
  EXPECT_DOUBLE_EQ(law.expected_quantile, 0.5);
  EXPECT_THAT(law.density, Each(testing::DoubleNear(1.0, 1e-12)));
}

TEST(Deduplicate, RefusesWhatLeavesNothing) {
  EXPECT_THAT([] { deduplicate()->select(input_of({"", ""}, 2)); }, ThrowsMessage<StageError>(HasSubstr("invalid = \"keep\"")));
  EXPECT_THROW(deduplicate()->select({}), StageError);
  auto input = input_of({"a"}, 1);
  input.score = {kNan};
  EXPECT_THAT([&] { law_of(input); }, ThrowsMessage<StageError>(HasSubstr("none of 1 samples has a finite score")));
}

}  // namespace
}  // namespace espalier::conformance
