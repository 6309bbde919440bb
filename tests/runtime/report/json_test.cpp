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

TEST(ReportJson, HasWhatAScalarIsAboutInFields) {
  const auto scalars = nlohmann::json::parse(report_json(fixture())).at("scalars");
  ASSERT_EQ(scalars.size(), 6U);
  EXPECT_EQ(scalars.at(0).at("stage"), "base_result");
  EXPECT_EQ(scalars.at(0).at("name"), "held_out_reward");
  EXPECT_EQ(scalars.at(0).at("quantity"), "held_out_reward");
  EXPECT_EQ(scalars.at(0).at("about"), (nlohmann::json{{"stage", "base_reward"}}));
  EXPECT_EQ(scalars.at(0).at("low"), 0.764);
  EXPECT_EQ(scalars.at(0).at("interval"), "bootstrap");
  EXPECT_EQ(scalars.at(0).at("count"), 128);
  EXPECT_EQ(scalars.at(3).at("about"), (nlohmann::json{{"stage", "graft_reward"}, {"baseline", "base_reward"}}));
}

TEST(ReportJson, WritesAnAbsentIntervalAsNull) {
  const auto scalar = nlohmann::json::parse(report_json(fixture())).at("scalars").at(1);
  for (const auto* field : {"low", "high", "interval", "count"}) EXPECT_TRUE(scalar.at(field).is_null()) << field;
  EXPECT_EQ(scalar.at("value"), 0.0);
  EXPECT_TRUE(scalar.at("about").empty());
}

TEST(ReportJson, NamesScalarsOfSeveralStagesAndOfDataApart) {
  exec::Record record;
  record.findings = {{"layout",
                      {.scalars = {to_scalar("overlap", 0.5, {.stage = "a"}), to_scalar("overlap", 0.25, {.stage = "b"}),
                                   to_scalar("overlap", 0.125, {.split = "held_out"}), to_scalar("boxes", 3.0)}}}};
  std::vector<std::string> names;
  const auto json = nlohmann::json::parse(report_json(record));
  for (const auto& scalar : json.at("scalars")) names.push_back(scalar.at("name"));
  EXPECT_EQ(names, (std::vector<std::string>{"overlap.a", "overlap.b", "data_overlap", "boxes"}));
}

TEST(ReportJson, HasEveryTableAndImageOfAMetric) {
  const auto json = nlohmann::json::parse(report_json(fixture()));
  ASSERT_EQ(json.at("tables").size(), 1U);
  const auto& table = json.at("tables").at(0);
  EXPECT_EQ(table.at("stage"), "graft_result");
  EXPECT_EQ(table.at("columns").at(2), (nlohmann::json{{"name", "mean_reward"}, {"unit", "points"}}));
  EXPECT_EQ(table.at("rows").at(0), nlohmann::json::array({"above", 130, 0.8125}));
  EXPECT_TRUE(table.at("rows").at(1).at(2).is_null());
  EXPECT_EQ(json.at("images").at(0).at("file"), "images/graft_result/0.png");
}

TEST(ReportJson, HasEveryChartAsTheRecordHasIt) {
  const auto charts = nlohmann::json::parse(report_json(fixture())).at("charts");
  ASSERT_EQ(charts.size(), 2U);
  EXPECT_EQ(charts.at(0).at("stage"), "base_result");
  EXPECT_EQ(charts.at(0).at("name"), "kernel_distance");
  EXPECT_EQ(charts.at(0).at("x_label"), "FLOPs an image");
  EXPECT_EQ(charts.at(0).at("log_x"), true);
  const auto& base = charts.at(0).at("series").at(0);
  EXPECT_EQ(base.at("name"), "base");
  EXPECT_EQ(base.at("x").at(3), 2.1e10);
  EXPECT_EQ(base.at("high").at(3), 0.034);
  EXPECT_TRUE(charts.at(0).at("series").at(1).at("low").empty());
  EXPECT_TRUE(charts.at(0).at("series").at(1).at("y").at(1).is_null());
}

TEST(ReportJson, HasWarningsAndWhyTheRunEndedEarly) {
  auto record = fixture();
  EXPECT_TRUE(nlohmann::json::parse(report_json(record)).at("stopped_by").is_null());
  EXPECT_TRUE(nlohmann::json::parse(report_json(record)).at("warnings").empty());
  record.findings[1].findings.warnings = {"the judge fell"};
  record.stopped_by = exec::StopRecord{"graft_result", "the judge fell", {"later", "last"}};
  const auto json = nlohmann::json::parse(report_json(record));
  EXPECT_EQ(json.at("warnings"), nlohmann::json::array({{{"stage", "graft_result"}, {"text", "the judge fell"}}}));
  EXPECT_EQ(json.at("stopped_by"),
            (nlohmann::json{{"stage", "graft_result"}, {"reason", "the judge fell"}, {"not_run", {"later", "last"}}}));
}

TEST(ReportJson, HasAcceptanceByCondition) {
  auto record = fixture();
  record.laws[0].by_condition = {480, 3, 0.0, 0.125, 0.25, 0.5, 1.0, 401.5, {{"a red circle", 0, 4}}, {{"a blue square", 4, 4}}};
  const auto found = nlohmann::json::parse(report_json(record)).at("laws").at(0).at("by_condition");
  EXPECT_EQ(found.at("conditions"), 480);
  EXPECT_EQ(found.at("none_accepted"), 3);
  EXPECT_EQ(found.at("effective_conditions"), 401.5);
  EXPECT_EQ(found.at("accepted_share").at("lower_quartile"), 0.125);
  EXPECT_EQ(found.at("accepted_share").at("maximum"), 1.0);
  EXPECT_EQ(found.at("least"), nlohmann::json::array({{{"text", "a red circle"}, {"accepted", 0}, {"total", 4}}}));
  EXPECT_EQ(found.at("most").at(0).at("accepted"), 4);
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
