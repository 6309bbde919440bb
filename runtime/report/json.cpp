#include "runtime/report/json.h"

#include <nlohmann/json.hpp>

#include "runtime/report/images.h"

namespace espalier::report {
namespace {

using Json = nlohmann::ordered_json;  // fields in the order of the README

Json plain(const Value& value) { return Json::parse(to_json(value)); }

Json stage_json(const exec::StageRecord& stage) {
  return {{"tag", stage.tag},
          {"origin", stage.origin},
          {"settings", plain(stage.settings)},
          {"round", stage.round},
          {"seed", stage.seed},
          {"type", stage.type},
          {"status", stage.status},
          {"because", stage.because},
          {"start_seconds", stage.start_seconds},
          {"seconds", stage.seconds},
          {"samples", stage.samples},
          {"samples_run", stage.samples_run},
          {"network_evaluations", stage.network_evaluations},
          {"samples_decoded", stage.samples_decoded},
          {"excluded", stage.excluded},
          {"key", stage.key},
          {"made_by", plain(stage.made_by)},
          {"inputs", stage.inputs},
          {"options", plain(stage.options)}};
}

Json about_json(const Subject& about) {
  auto json = Json::object();
  if (!about.stage.empty()) json["stage"] = about.stage;
  if (!about.baseline.empty()) json["baseline"] = about.baseline;
  if (!about.split.empty()) json["split"] = about.split;
  return json;
}

Json scalars_json(const exec::FindingsRecord& record) {
  auto out = Json::array();
  const auto names = unique_names(record.findings.scalars);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& scalar = record.findings.scalars[i];
    Json json = {{"stage", record.stage}, {"name", names[i]},   {"quantity", scalar.name}, {"about", about_json(scalar.about)},
                 {"value", scalar.value}, {"low", scalar.low},  {"high", scalar.high},     {"interval", nullptr},
                 {"count", nullptr},      {"time", record.time}};
    if (scalar.interval != intervals::Kind::none) json["interval"] = interval_name(scalar.interval);
    if (scalar.count > 0) json["count"] = scalar.count;
    out.push_back(std::move(json));
  }
  return out;
}

Json by_condition_json(const exec::AcceptanceRecord& acceptance) {
  const auto list = [](const std::vector<exec::AcceptanceRecord::Condition>& conditions) {
    auto out = Json::array();
    for (const auto& one : conditions) out.push_back({{"text", one.text}, {"accepted", one.accepted}, {"total", one.total}});
    return out;
  };
  return {{"conditions", acceptance.conditions},
          {"none_accepted", acceptance.none_accepted},
          {"effective_conditions", acceptance.effective_conditions},
          {"accepted_share",
           {{"minimum", acceptance.minimum},
            {"lower_quartile", acceptance.lower_quartile},
            {"median", acceptance.median},
            {"upper_quartile", acceptance.upper_quartile},
            {"maximum", acceptance.maximum}}},
          {"least", list(acceptance.least)},
          {"most", list(acceptance.most)}};
}

Json law_json(const exec::LawRecord& law) {
  return {{"stage", law.stage},
          {"acceptance_rate", law.acceptance_rate},
          {"kl_nats", law.kl_nats},
          {"expected_quantile", law.expected_quantile},
          {"accepted", law.accepted},
          {"total", law.total},
          {"invalid", law.invalid},
          {"formula", law.formula},
          {"quantile", law.quantile},
          {"density", law.density},
          {"kl_interval", {law.kl_interval.low, law.kl_interval.high}},
          {"quantile_interval", {law.quantile_interval.low, law.quantile_interval.high}},
          {"kl_bias", law.kl_bias},
          {"quantile_bias", law.quantile_bias},
          {"effective_sample_size", law.effective_sample_size},
          {"reshaped_reward", law.reshaped_reward},
          {"by_condition", by_condition_json(law.by_condition)}};
}

Json warnings_json(const exec::FindingsRecord& record) {
  auto out = Json::array();
  for (const auto& warning : record.findings.warnings) out.push_back({{"stage", record.stage}, {"text", warning}});
  return out;
}

Json stop_json(const std::optional<exec::StopRecord>& stopped) {
  if (!stopped) return nullptr;
  return {{"stage", stopped->stage}, {"reason", stopped->reason}, {"not_run", stopped->not_run}};
}

// As the cache holds them, with the stage that found them.
Json charts_json(const exec::FindingsRecord& record) {
  auto out = Json::array();
  for (const auto& chart : record.findings.charts) {
    auto series = Json::array();
    for (const auto& one : chart.series) {
      series.push_back({{"name", one.name}, {"x", one.x}, {"y", one.y}, {"low", one.low}, {"high", one.high}});
    }
    out.push_back({{"stage", record.stage},
                   {"name", chart.name},
                   {"x_label", chart.x_label},
                   {"y_label", chart.y_label},
                   {"log_x", chart.log_x},
                   {"log_y", chart.log_y},
                   {"series", series}});
  }
  return out;
}

Json tables_json(const exec::FindingsRecord& record) {
  auto out = Json::array();
  for (const auto& table : record.findings.tables) {
    auto columns = Json::array(), rows = Json::array();
    for (const auto& column : table.columns) columns.push_back({{"name", column.name}, {"unit", column.unit}});
    for (const auto& row : table.rows) rows.push_back(plain(Value(row)));
    out.push_back({{"stage", record.stage}, {"name", table.name}, {"columns", columns}, {"rows", rows}, {"caption", table.caption}});
  }
  return out;
}

Json images_json(const exec::FindingsRecord& record) {
  auto out = Json::array();
  for (std::size_t i = 0; i < record.findings.images.size(); ++i) {
    const auto& image = record.findings.images[i];
    out.push_back({{"stage", record.stage}, {"name", image.name}, {"caption", image.caption}, {"file", image_file(record.stage, i)}});
  }
  return out;
}

Json curve_json(const exec::CurveRecord& curve) {
  return {{"stage", curve.stage}, {"name", curve.name}, {"step", curve.step}, {"value", curve.value}, {"time", curve.time}};
}

template <typename Item>
Json list(const std::vector<Item>& items, Json (*one)(const Item&)) {
  auto out = Json::array();
  for (const auto& item : items) out.push_back(one(item));
  return out;
}

// What all metric stages found, one list.
Json all(const exec::Record& record, Json (*of_stage)(const exec::FindingsRecord&)) {
  auto out = Json::array();
  for (const auto& findings : record.findings) {
    for (auto& one : of_stage(findings)) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string report_json(const exec::Record& record) {
  const Json report = {{"format", "espalier-report 2"},
                       {"name", record.name},
                       {"seed", record.seed},
                       {"started", record.started},
                       {"seconds", record.seconds},
                       {"pipeline", {{"file", record.pipeline_file}, {"overrides", record.overrides}, {"text", record.pipeline_text}}},
                       {"warnings", all(record, warnings_json)},
                       {"stopped_by", stop_json(record.stopped_by)},
                       {"stages", list(record.stages, stage_json)},
                       {"scalars", all(record, scalars_json)},
                       {"charts", all(record, charts_json)},
                       {"tables", all(record, tables_json)},
                       {"images", all(record, images_json)},
                       {"laws", list(record.laws, law_json)},
                       {"curves", list(record.curves, curve_json)},
                       {"provenance", plain(record.provenance)}};
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace espalier::report
