#include <gtest/gtest.h>

#include <limits>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

MetricInput some_scores() {
  MetricInput input;
  input.scores["scores"] = {{"base", {0.1, 0.6, 0.7, std::numeric_limits<double>::quiet_NaN()}, {0, 0, 1, 1}},
                            {"tuned", {0.9, 0.8}, {0, 1}}};
  return input;
}

TEST(@Type@, Conforms) { check_metric(plugin("metric.@name@"), {}, some_scores()); }

TEST(@Type@, CountsFiniteScoresFromTheThresholdOn) {
  const auto scalars = make<Metric>(plugin("metric.@name@"), {{"threshold", 0.6}})->measure(some_scores()).scalars;
  ASSERT_EQ(scalars.size(), 2u);
  EXPECT_EQ(scalars[0].name, "share_above");
  EXPECT_EQ(scalars[0].about.stage, "base");
  EXPECT_DOUBLE_EQ(scalars[0].value, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(scalars[1].value, 1.0);
}

}  // namespace
}  // namespace espalier::conformance
