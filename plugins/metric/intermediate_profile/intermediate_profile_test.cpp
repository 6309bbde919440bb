#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

ScoredView view(const std::string& tag, std::vector<double> score, std::int64_t start_step) {
  ScoredView made{tag, std::move(score), {0, 1, 0, 1}};
  made.samples = tag + "_samples";
  made.num_steps = 20;
  made.start = start_step == 0 ? "" : "scores_samples";
  made.start_step = start_step;
  return made;
}

MetricInput input() {
  return {{{"scores", {view("scores", {1, 2, 3, 4}, 0)}},
           {"branches", {view("late", {1, 2, 4, 4}, 5), view("early", {3, 4, 1, 2}, 15), view("early_too", {2, 3, 2, 3}, 15)}}},
          {1, random::Purpose::evaluation}};
}

TEST(IntermediateProfile, Conforms) { check_metric(plugin("metric.intermediate_profile"), {}, input()); }

TEST(IntermediateProfile, JoinsBranchesOfOneStep) {
  const auto found = make<Metric>(plugin("metric.intermediate_profile"), {})->measure(input());
  const auto& rows = found.tables.at(0).rows;
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0][0], Value(5));
  EXPECT_EQ(rows[0][1], Value(0.25));
  EXPECT_EQ(rows[0][2], Value(0.125));  // one state of four has 3 and 4: 0.5
  EXPECT_EQ(rows[1][2], Value(1.0));    // 1, 3, 2 of each state
  EXPECT_EQ(found.charts.at(0).series.at(0).x, (std::vector<double>{0.25, 0.75}));
  EXPECT_EQ(found.scalars.at(0).value, 2.0);  // 1, 3 and 2, 4
  EXPECT_EQ(found.scalars.at(1).name, "recommended_step");
  EXPECT_EQ(found.scalars.at(1).value, 15.0);  // a share of 1/2
  EXPECT_EQ(found.scalars.at(2).value, 0.75);
}

TEST(IntermediateProfile, RefusesWhatIsNoBranchOfTheseTrajectories) {
  const auto metric = make<Metric>(plugin("metric.intermediate_profile"), {});
  const auto domain = toy_domain();
  const auto check = [&](std::int64_t samples_per_condition, const std::string& start) {
    PlannedView scores{.tag = "scores", .size = 4}, branch{.tag = "late", .size = 4};
    scores.samples = "pool";
    scores.samples_per_condition = samples_per_condition;
    branch.samples = "late_samples";
    branch.start = start;
    metric->check_inputs({{{"scores", {scores}}, {"branches", {branch}}}, nullptr, *domain});
  };
  EXPECT_NO_THROW(check(2, "pool"));
  EXPECT_THAT([&] { check(1, "pool"); }, ThrowsMessage<ConfigError>(HasSubstr("the variance within a condition needs at least 2")));
  EXPECT_THAT([&] { check(2, ""); }, ThrowsMessage<ConfigError>(HasSubstr("'late_samples', which begins at noise; a branch begins at")));
  EXPECT_THAT([&] { check(2, "other"); }, ThrowsMessage<ConfigError>(HasSubstr("which begins at states of 'other'")));
}

}  // namespace
}  // namespace espalier::conformance
