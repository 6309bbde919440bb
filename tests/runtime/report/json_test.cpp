#include "runtime/report/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/runtime/report/fixture.h"

namespace espalier::report {
namespace {

TEST(ReportJson, HasEveryStageAsTheRecordHasIt) {
  const auto record = fixture();
  const auto json = nlohmann::json::parse(report_json(record));
  ASSERT_EQ(json.at("stages").size(), record.stages.size());
  const auto& samples = json.at("stages").at(0);
  EXPECT_EQ(samples.at("tag"), "samples");
  EXPECT_EQ(samples.at("type"), "sampler.ddim");
  EXPECT_EQ(samples.at("status"), "reused");
  EXPECT_EQ(samples.at("because"), record.stages[0].because);
  EXPECT_EQ(samples.at("samples"), 1920);
  EXPECT_EQ(samples.at("samples_run"), 0);
  EXPECT_EQ(samples.at("network_evaluations"), 0);
  EXPECT_EQ(samples.at("key"), record.stages[0].key);
  EXPECT_EQ(json.at("stages").at(3).at("seconds"), 201.4);
  EXPECT_EQ(json.at("seed"), 7);
  EXPECT_EQ(json.at("provenance").at("numerics_class").at("threads"), 2);
}

TEST(ReportJson, NamesWhoMadeAResultByTheRecordsInTheCache) {
  exec::Record record;
  record.stages.resize(2);
  record.stages[0].made_by =
      Value::List{Value::Map{{"libraries", Value::Map{{"reward.x", "abc"}}}, {"numerics_class", Value::Map{{"cpu", "Y"}}}, {"blocks", 3}}};
  const auto stages = nlohmann::json::parse(report_json(record)).at("stages");
  EXPECT_EQ(stages.at(0).at("made_by").at(0).at("libraries").at("reward.x"), "abc");
  EXPECT_EQ(stages.at(0).at("made_by").at(0).at("numerics_class").at("cpu"), "Y");
  EXPECT_EQ(stages.at(0).at("made_by").at(0).at("blocks"), 3);
  EXPECT_TRUE(stages.at(1).at("made_by").empty());
}

TEST(ReportJson, WritesAnAbsentIntervalAsNull) {
  const auto json = nlohmann::json::parse(report_json(fixture()));
  const auto& reward = json.at("scalars").at(0);
  EXPECT_EQ(reward.at("stage"), "base_figures");
  EXPECT_EQ(reward.at("name"), "held_out_reward");
  EXPECT_EQ(reward.at("low"), 0.764);
  EXPECT_TRUE(json.at("scalars").at(5).at("low").is_null());
  EXPECT_EQ(json.at("scalars").at(5).at("value"), 0.0);
}

TEST(ReportJson, HasEveryPlotAsTheRecordHasIt) {
  const auto plots = nlohmann::json::parse(report_json(fixture())).at("charts");
  ASSERT_EQ(plots.size(), 2U);
  EXPECT_EQ(plots.at(0).at("stage"), "base_figures");
  EXPECT_EQ(plots.at(0).at("name"), "kernel_distance");
  EXPECT_EQ(plots.at(0).at("x_label"), "FLOPs an image");
  EXPECT_EQ(plots.at(0).at("log_x"), true);
  const auto& base = plots.at(0).at("series").at(0);
  EXPECT_EQ(base.at("name"), "base");
  EXPECT_EQ(base.at("x").at(3), 2.1e10);
  EXPECT_EQ(base.at("high").at(3), 0.034);
  EXPECT_TRUE(plots.at(0).at("series").at(1).at("low").empty());
  EXPECT_TRUE(plots.at(0).at("series").at(1).at("y").at(1).is_null());
}

TEST(ReportJson, KeepsTheLargestSeed) {
  exec::Record record;
  record.seed = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(nlohmann::json::parse(report_json(record)).at("seed").get<std::uint64_t>(), record.seed);
}

TEST(ReportJson, StaysValidWithTextThatIsNotUtf8) {
  exec::Record record;
  record.name = "caf\xE9 \"x\"";
  EXPECT_EQ(nlohmann::json::parse(report_json(record)).at("name"), "caf\xEF\xBF\xBD \"x\"");
}

}  // namespace
}  // namespace espalier::report
