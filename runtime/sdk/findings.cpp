#include "runtime/sdk/findings.h"

#include <array>
#include <set>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

using intervals::Kind;

constexpr std::array<std::pair<Kind, const char*>, 6> kIntervals = {{{Kind::none, ""},
                                                                     {Kind::t, "t"},
                                                                     {Kind::wilson, "wilson"},
                                                                     {Kind::bootstrap, "bootstrap"},
                                                                     {Kind::jackknife, "jackknife"},
                                                                     {Kind::normal, "normal"}}};

Kind interval_from(const std::string& name) {
  for (const auto& [kind, known] : kIntervals) {
    if (name == known) return kind;
  }
  throw DataError("findings: unknown kind of interval '" + name + "'");
}

Value::List floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

std::vector<double> floats_from(const Value& list) {
  std::vector<double> numbers;
  for (const auto& number : list.as_list()) numbers.push_back(number.as_number());
  return numbers;
}

Value scalar_value(const Scalar& scalar) {
  Value value = Value::Map{{"name", scalar.name}, {"value", scalar.value}, {"count", scalar.count}};
  if (scalar.interval != Kind::none) {
    value["interval"] = interval_name(scalar.interval);
    value["low"] = scalar.low;
    value["high"] = scalar.high;
  }
  value["about"] = Value::Map{{"stage", scalar.about.stage}, {"baseline", scalar.about.baseline}, {"split", scalar.about.split}};
  return value;
}

Scalar scalar_from(const Value& value) {
  const auto& about = value.at("about");
  Scalar scalar{.name = value.at("name").as_string(), .value = value.at("value").as_number()};
  scalar.count = value.at("count").as_integer();
  scalar.about = {about.at("stage").as_string(), about.at("baseline").as_string(), about.at("split").as_string()};
  if (!value.contains("interval")) return scalar;
  scalar.interval = interval_from(value.at("interval").as_string());
  scalar.low = value.at("low").as_number();
  scalar.high = value.at("high").as_number();
  return scalar;
}

Value chart_value(const Chart& chart) {
  Value::List series;
  for (const auto& one : chart.series) {
    series.push_back(
        Value::Map{{"name", one.name}, {"x", floats(one.x)}, {"y", floats(one.y)}, {"low", floats(one.low)}, {"high", floats(one.high)}});
  }
  return Value::Map{{"name", chart.name},   {"x_label", chart.x_label}, {"y_label", chart.y_label},
                    {"log_x", chart.log_x}, {"log_y", chart.log_y},     {"series", std::move(series)}};
}

Chart chart_from(const Value& value) {
  Chart chart{.name = value.at("name").as_string(),
              .x_label = value.at("x_label").as_string(),
              .y_label = value.at("y_label").as_string(),
              .log_x = value.at("log_x").as_bool(),
              .log_y = value.at("log_y").as_bool()};
  for (const auto& one : value.at("series").as_list()) {
    chart.series.push_back({one.at("name").as_string(), floats_from(one.at("x")), floats_from(one.at("y")), floats_from(one.at("low")),
                            floats_from(one.at("high"))});
  }
  return chart;
}

Value table_value(const Table& table) {
  Value::List columns, rows;
  for (const auto& column : table.columns) columns.push_back(Value::Map{{"name", column.name}, {"unit", column.unit}});
  for (const auto& row : table.rows) rows.emplace_back(row);
  return Value::Map{{"name", table.name}, {"columns", std::move(columns)}, {"rows", std::move(rows)}, {"caption", table.caption}};
}

Table table_from(const Value& value) {
  Table table{.name = value.at("name").as_string(), .columns = {}, .rows = {}, .caption = value.at("caption").as_string()};
  for (const auto& column : value.at("columns").as_list()) {
    table.columns.push_back({column.at("name").as_string(), column.at("unit").as_string()});
  }
  for (const auto& row : value.at("rows").as_list()) table.rows.push_back(row.as_list());
  return table;
}

template <class Item>
Value::List list_of(const std::vector<Item>& items, Value (*one)(const Item&)) {
  Value::List list;
  for (const auto& item : items) list.push_back(one(item));
  return list;
}

Value image_value(const CaptionedImage& image) { return Value::Map{{"name", image.name}, {"caption", image.caption}}; }

}  // namespace

Scalar to_scalar(std::string name, double value, Subject about) {
  Scalar scalar{.name = std::move(name), .value = value};
  scalar.about = std::move(about);
  return scalar;
}

Scalar to_scalar(std::string name, const intervals::Estimate& estimate, Subject about) {
  return {std::move(name), estimate.value, estimate.low, estimate.high, estimate.kind, estimate.count, std::move(about)};
}

std::vector<std::string> unique_names(const std::vector<Scalar>& scalars) {
  std::set<std::string> stages;
  for (const auto& scalar : scalars) stages.insert(scalar.about.stage);
  stages.erase("");
  std::vector<std::string> names;
  for (const auto& scalar : scalars) {
    const auto& [stage, baseline, split] = scalar.about;
    const auto suffix = stages.size() > 1 && !stage.empty() ? "." + stage : "";
    names.push_back(split.empty() ? scalar.name + suffix : "data_" + scalar.name);
  }
  return names;
}

const char* interval_name(Kind kind) { return kIntervals.at(static_cast<std::size_t>(kind)).second; }

Value to_value(const Findings& findings) {
  Value value = Value::Map{{"scalars", list_of(findings.scalars, scalar_value)},
                           {"charts", list_of(findings.charts, chart_value)},
                           {"tables", list_of(findings.tables, table_value)},
                           {"images", list_of(findings.images, image_value)}};
  if (!findings.warnings.empty()) value["warnings"] = Value::List(findings.warnings.begin(), findings.warnings.end());
  if (!findings.stop.empty()) value["stop"] = findings.stop;
  return value;
}

Findings findings_from(const Value& value) {
  Findings findings;
  for (const auto& scalar : value.at("scalars").as_list()) findings.scalars.push_back(scalar_from(scalar));
  for (const auto& chart : value.at("charts").as_list()) findings.charts.push_back(chart_from(chart));
  for (const auto& table : value.at("tables").as_list()) findings.tables.push_back(table_from(table));
  for (const auto& image : value.at("images").as_list()) {
    findings.images.push_back({image.at("name").as_string(), image.at("caption").as_string(), {}});
  }
  if (const auto* warnings = value.find("warnings")) {
    for (const auto& warning : warnings->as_list()) findings.warnings.push_back(warning.as_string());
  }
  if (const auto* stop = value.find("stop")) findings.stop = stop->as_string();
  return findings;
}

}  // namespace espalier
