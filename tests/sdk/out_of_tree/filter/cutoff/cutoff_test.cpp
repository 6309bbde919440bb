#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

FilterInput input_of(const std::vector<double>& score) {
  FilterInput input;
  input.score = score;
  for (std::size_t i = 0; i < score.size(); ++i) {
    input.condition.push_back(static_cast<std::int64_t>(i / 4));
    input.index.push_back(static_cast<std::int64_t>(i));
  }
  input.key = {1, random::Purpose::filter};
  return input;
}

std::vector<double> some_scores(int count) {
  std::vector<double> scores;
  for (int i = 0; i < count; ++i) scores.push_back((i * 37 % count) / static_cast<double>(count));  // each once, out of order
  return scores;
}

// A law that is measured is as exact as its samples are many.
TEST(Cutoff, Conforms) { check_filter(plugin("filter.cutoff"), {}, input_of(some_scores(4000))); }

TEST(Cutoff, AcceptsWhatScoresEnough) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto filter = make<Filter>(plugin("filter.cutoff"), {{"least_score", 0.4}});
  EXPECT_THAT(filter->select(input_of({0.4, 0.1, nan, 0.9, 0.2})).index, ::testing::ElementsAre(0, 3));
  EXPECT_NEAR(law_of("filter.cutoff", *filter, input_of({0.1, 0.2, 0.3, 0.4})).kl_nats, std::log(4.0), 1e-6);
}

}  // namespace
}  // namespace espalier::conformance
