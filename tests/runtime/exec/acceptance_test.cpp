// How many of each condition's samples a filter accepts, as the record has it.
#include <gmock/gmock.h>

#include <algorithm>

#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

constexpr std::int64_t kConditions = 8, kSamples = 4;  // of the toy pipeline; trajectory i has condition i mod 8

// Accepts min(c, 4) of the four samples of condition c, with weight 1.
class Staircase final : public Filter {
 public:
  Selection select(const FilterInput& input) const override {
    Selection accepted;
    for (std::size_t i = 0; i < input.index.size(); ++i) {
      if (input.index[i] / kConditions >= input.condition[i]) continue;
      accepted.index.push_back(input.index[i]);
      accepted.weight.push_back(1.0);
    }
    return accepted;
  }
  selection::Acceptance acceptance(const FilterInput&) const override {
    return selection::ByQuantile{[](double, std::int64_t) { return 22.0 / 32; }};
  }
  std::string formula(const FilterInput&) const override { return "min(c, 4) of 4"; }
};

TEST(Acceptance, OfAStaircaseIsTheClosedForm) {
  const PluginEntry stairs{
      .kind = "filter", .name = "example", .doc = "Stairs.", .make = [] { return std::make_unique<Staircase>(); }, .library = ""};
  const auto record = ToyPipeline({}, {stairs}).run({"samples", "scores", "best"});
  ASSERT_EQ(record.laws.size(), 1U);
  const auto& found = record.laws[0].by_condition;
  EXPECT_EQ(found.conditions, kConditions);
  EXPECT_EQ(found.none_accepted, 1);
  EXPECT_EQ(found.minimum, 0.0);  // shares 0, 1/4, 1/2, 3/4, 1, 1, 1, 1
  EXPECT_DOUBLE_EQ(found.lower_quartile, 0.4375);
  EXPECT_DOUBLE_EQ(found.median, 0.875);
  EXPECT_EQ(found.upper_quartile, 1.0);
  EXPECT_EQ(found.maximum, 1.0);
  EXPECT_DOUBLE_EQ(found.effective_conditions, 22.0 * 22.0 / (0 + 1 + 4 + 9 + 4 * 16));
  ASSERT_EQ(found.least.size(), 5U);
  ASSERT_EQ(found.most.size(), 5U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(found.least[i].accepted, static_cast<std::int64_t>(i));
    EXPECT_EQ(found.most[i].accepted, kSamples);
    EXPECT_EQ(found.most[i].total, kSamples);
  }
  EXPECT_EQ(found.least[4].text, found.most[0].text) << "the first of those with equal shares";
  EXPECT_EQ(found.most[4].accepted, 3);
}

}  // namespace
}  // namespace espalier::exec
