// Warnings of metrics, and metrics that end the run.
#include <gmock/gmock.h>

#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty;

class Guard final : public Metric {
 public:
  explicit Guard(std::string stop) : stop_(std::move(stop)) {}
  void inputs(Inputs& in) override { in.scores("scores", "Looked at."); }
  Findings measure(const MetricInput&) const override {
    return {.scalars = {to_scalar("seen", 1.0)}, .warnings = {"the judge fell", "few prompts"}, .stop = stop_};
  }

 private:
  std::string stop_;
};

ToyPipeline pipeline_with(const std::string& stop) {
  const PluginEntry guard{
      .kind = "metric", .name = "example", .doc = "Guards.", .make = [stop] { return std::make_unique<Guard>(stop); }, .library = ""};
  return ToyPipeline({}, {guard});
}

const std::vector<std::string> kStages = {"samples", "scores", "summary", "best", "tuned"};

std::vector<std::string> tags(const Record& record) {
  std::vector<std::string> names;
  for (const auto& stage : record.stages) names.push_back(stage.tag);
  return names;
}

TEST(Stop, WarningsAreShownNowAndWhenTheFindingsAreReused) {
  auto pipeline = pipeline_with("");
  for (const std::string status : {"run", "reused"}) {
    const auto record = pipeline.run(kStages);
    EXPECT_EQ(record.stages[2].status, status);
    EXPECT_THAT(pipeline.said(), HasSubstr("warning: stage 'summary': the judge fell\nwarning: stage 'summary': few prompts\n"));
    EXPECT_THAT(record.findings.at(0).findings.warnings, ElementsAre("the judge fell", "few prompts"));
    EXPECT_FALSE(record.stopped_by);
    EXPECT_EQ(tags(record), kStages);
  }
}

TEST(Stop, EndsTheRunBeforeTheStagesBehindNowAndWhenTheFindingsAreReused) {
  auto pipeline = pipeline_with("the judge fell");
  for (const std::string status : {"run", "reused"}) {
    const auto record = pipeline.run(kStages);
    ASSERT_TRUE(record.stopped_by);
    EXPECT_EQ(record.stopped_by->stage, "summary");
    EXPECT_EQ(record.stopped_by->reason, "the judge fell");
    EXPECT_THAT(record.stopped_by->not_run, ElementsAre("best", "tuned"));
    EXPECT_THAT(tags(record), ElementsAre("samples", "scores", "summary"));
    EXPECT_EQ(record.stages.back().status, status);
    EXPECT_THAT(pipeline.said(), HasSubstr("stage 'summary' ends the run: the judge fell"));
    EXPECT_EQ(record.findings.size(), 1U) << "what is finished is in the record";
    EXPECT_EQ(record.scores.size(), 1U);
    EXPECT_FALSE(record.galleries.empty());
    EXPECT_THAT(record.laws, IsEmpty());
  }
  const auto store = pipeline.store();
  EXPECT_THAT(store->requests("selection"), IsEmpty());
  EXPECT_THAT(store->requests("model"), IsEmpty());
}

// Results that an earlier run made of later stages are not in the record either: the run ended before them.
TEST(Stop, LeavesLaterStagesOutThatTheCacheHolds) {
  auto pipeline = pipeline_with("the judge fell");
  pipeline.run({"samples", "scores", "best", "tuned"});
  const auto record = pipeline.run(kStages);
  EXPECT_THAT(tags(record), ElementsAre("samples", "scores", "summary"));
  EXPECT_THAT(record.laws, IsEmpty());
  EXPECT_THAT(record.curves, IsEmpty());
}

}  // namespace
}  // namespace espalier::exec
