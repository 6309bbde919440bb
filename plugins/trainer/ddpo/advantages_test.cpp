#include "plugins/trainer/ddpo/advantages.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/files.h"
#include "runtime/base/value.h"

namespace espalier::ddpo {
namespace {

using testing::DoubleNear, testing::ElementsAre, testing::Key, testing::Pointwise;

// Written by make_trl.py beside it, from trl's PerPromptStatTracker.
constexpr const char* kGolden = ESPALIER_SOURCE_DIR "/plugins/trainer/ddpo/trl.json";

std::vector<double> numbers_of(const Value& list) {
  std::vector<double> numbers;
  for (const auto& number : list.as_list()) numbers.push_back(number.as_number());
  return numbers;
}

std::vector<std::string> texts_of(const Value& list) {
  std::vector<std::string> texts;
  for (const auto& text : list.as_list()) texts.push_back(text.as_string());
  return texts;
}

TEST(Advantages, AreThoseOfTrlOverSeveralRounds) {
  const auto golden = parse_json(read_file(kGolden), kGolden);
  for (const auto& options : golden.at("windows").as_list()) {
    SCOPED_TRACE("window " + to_json(options.at("window")));
    Windows windows;
    for (std::size_t round = 0; round < golden.at("rounds").as_list().size(); ++round) {
      const auto& given = golden.at("rounds").as_list()[round];
      const auto found = advantages(texts_of(given.at("condition")), numbers_of(given.at("reward")),
                                    {options.at("window").as_integer(), options.at("min_count").as_integer()}, windows);
      EXPECT_THAT(found, Pointwise(DoubleNear(1e-12), numbers_of(options.at("advantage").as_list()[round])));
      windows = windows_of(to_state(windows));  // as they are handed on
    }
  }
}

TEST(Advantages, WithoutAWindowAreRelativeToTheBatch) {
  Windows windows;
  const auto found = advantages({"a", "a", "b", "b"}, {1, 3, 5, 7}, {.window = 0, .min_count = 1}, windows);
  const double deviation = std::sqrt((9 + 1 + 1 + 9) / 4.0) + 1e-6;
  EXPECT_THAT(found, Pointwise(DoubleNear(1e-12), std::vector<double>{-3 / deviation, -1 / deviation, 1 / deviation, 3 / deviation}));
  EXPECT_TRUE(windows.empty());
}

// Written by make_flow_grpo.py beside it.
TEST(Advantages, OfGroupsAreThoseOfFlowGrpo) {
  const char* const file = ESPALIER_SOURCE_DIR "/plugins/trainer/ddpo/flow_grpo.json";
  const auto golden = parse_json(read_file(file), file);
  for (const char* const statistics : {kGroup, kGroupMean}) {
    Windows windows = {{"prompt 0", {7.0}}};
    const auto found =
        advantages(texts_of(golden.at("condition")), numbers_of(golden.at("reward")), {.statistics = statistics, .epsilon = 1e-4}, windows);
    EXPECT_THAT(found, Pointwise(DoubleNear(1e-12), numbers_of(golden.at(statistics)))) << statistics;
    EXPECT_THAT(windows, ElementsAre(testing::Pair("prompt 0", ElementsAre(7.0)))) << "the windows stay as they are";
  }
}

TEST(Advantages, OfEqualRewardsAreZero) {
  Windows windows;
  EXPECT_THAT(advantages({"a", "a"}, {2, 2}, {.window = 4, .min_count = 2}, windows), ElementsAre(0.0, 0.0));
}

TEST(Windows, KeepTheNewestAndReadOnlyTheirOwnTensors) {
  Windows windows;
  advantages({"a", "a", "a", "b"}, {1, 2, 3, 4}, {.window = 2, .min_count = 2}, windows);
  auto state = to_state(windows);
  state["optimizer.w.exp_avg"] = at::ones({3});
  const auto read = windows_of(state);
  EXPECT_THAT(read, ElementsAre(Key("a"), Key("b")));
  EXPECT_THAT(read.at("a"), ElementsAre(2, 3));
  EXPECT_THAT(read.at("b"), ElementsAre(4));
}

}  // namespace
}  // namespace espalier::ddpo
