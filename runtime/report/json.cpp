#include "runtime/report/json.h"

#include <nlohmann/json.hpp>

namespace espalier::report {
namespace {

using Json = nlohmann::ordered_json;  // fields in the order of the README

Json plain(const Value& value) { return Json::parse(to_json(value)); }

Json stage_json(const exec::StageRecord& stage) {
  return {{"tag", stage.tag},
          {"type", stage.type},
          {"status", stage.status},
          {"because", stage.because},
          {"start_seconds", stage.start_seconds},
          {"seconds", stage.seconds},
          {"samples", stage.samples},
          {"samples_run", stage.samples_run},
          {"network_evaluations", stage.network_evaluations},
          {"excluded", stage.excluded},
          {"key", stage.key},
          {"made_by", plain(stage.made_by)},
          {"inputs", stage.inputs},
          {"options", plain(stage.options)}};
}

Json scalar_json(const exec::ScalarRecord& figure) {
  return {{"stage", figure.stage}, {"name", figure.name}, {"value", figure.value},
          {"low", figure.low},     {"high", figure.high}, {"time", figure.time}};
}

Json law_json(const exec::LawRecord& law) {
  return {{"stage", law.stage},       {"acceptance_rate", law.acceptance_rate},
          {"kl_nats", law.kl_nats},   {"expected_quantile", law.expected_quantile},
          {"accepted", law.accepted}, {"total", law.total},
          {"invalid", law.invalid},   {"formula", law.formula},
          {"quantile", law.quantile}, {"density", law.density}};
}

Json chart_json(const exec::ChartRecord& plot) {
  auto series = Json::array();
  for (const auto& one : plot.series) {
    series.push_back({{"name", one.name}, {"x", one.x}, {"y", one.y}, {"low", one.low}, {"high", one.high}});
  }
  return {{"stage", plot.stage}, {"name", plot.name},   {"x_label", plot.x_label}, {"y_label", plot.y_label},
          {"log_x", plot.log_x}, {"log_y", plot.log_y}, {"series", series}};
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

}  // namespace

std::string report_json(const exec::Record& record) {
  const Json report = {{"format", "espalier-report 1"},
                       {"name", record.name},
                       {"seed", record.seed},
                       {"started", record.started},
                       {"seconds", record.seconds},
                       {"pipeline", {{"file", record.pipeline_file}, {"overrides", record.overrides}, {"text", record.pipeline_text}}},
                       {"stages", list(record.stages, stage_json)},
                       {"scalars", list(record.scalars, scalar_json)},
                       {"charts", list(record.charts, chart_json)},
                       {"laws", list(record.laws, law_json)},
                       {"curves", list(record.curves, curve_json)},
                       {"provenance", plain(record.provenance)}};
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace espalier::report
