#include "runtime/exec/copies.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "runtime/selection/student.h"

namespace espalier::exec {
namespace {

bool is_seed(const std::string& setting) { return setting == "seed" || setting.ends_with(".seed"); }

// What is compared: one row of the table.
struct Subjects {
  std::string quantity;
  std::string stage;              // tag in the file
  std::string baseline;           // tag in the file; "": the scalar is no difference
  Value settings = Value::Map{};  // without seeds; "round" among them
  bool operator==(const Subjects&) const = default;
};

struct Group {
  Subjects of;
  std::vector<Scalar> values;  // one a seed
};

class Copies {
 public:
  explicit Copies(const Record& record) : record_(record) {
    for (const auto& stage : record.stages) stages_.emplace(stage.tag, &stage);
  }

  std::vector<Group> groups() const {
    std::vector<Group> groups;
    for (const auto& found : record_.findings) {
      for (const auto& scalar : found.findings.scalars) {
        const auto of = subjects(found.stage, scalar);
        if (!of || !std::isfinite(scalar.value)) continue;
        const auto same = std::ranges::find(groups, *of, &Group::of);
        (same == groups.end() ? groups.emplace_back(Group{*of, {}}) : *same).values.push_back(scalar);
      }
    }
    return groups;
  }

 private:
  const StageRecord* find(const std::string& tag) const {
    const auto found = stages_.find(tag);
    return found == stages_.end() ? nullptr : found->second;
  }
  std::string origin(const std::string& tag) const {
    const auto* stage = find(tag);
    return stage == nullptr || stage->origin.empty() ? tag : stage->origin;
  }

  // nullopt: it is of no copy.
  std::optional<Subjects> subjects(const std::string& metric, const Scalar& scalar) const {
    const auto& about = scalar.about.stage.empty() ? metric : scalar.about.stage;
    Subjects of{scalar.name, origin(about), scalar.about.baseline.empty() ? "" : origin(scalar.about.baseline), Value::Map{}};
    bool copied = false;
    for (const auto& tag : {about, scalar.about.baseline, metric}) {
      const auto* stage = find(tag);
      if (stage == nullptr) continue;
      for (const auto& [name, value] : stage->settings.as_map()) {
        copied = true;
        if (!is_seed(name)) of.settings[name] = value;
      }
      if (tag == about && stage->round > 0) {
        copied = true;
        of.settings["round"] = stage->round;
      }
    }
    return copied ? std::optional(of) : std::nullopt;
  }

  const Record& record_;
  std::map<std::string, const StageRecord*> stages_;
};

Scalar joined(const Group& group) {
  if (group.values.size() == 1) return group.values.front();
  std::vector<double> values;
  for (const auto& scalar : group.values) values.push_back(scalar.value);
  return to_scalar(group.of.quantity, intervals::student_mean(values));
}

std::vector<std::string> settings_of(const std::vector<Group>& groups) {
  std::set<std::string> names;
  for (const auto& group : groups) {
    for (const auto& [name, value] : group.of.settings.as_map()) names.insert(name);
  }
  return {names.begin(), names.end()};
}

Value cell(double number) { return std::isfinite(number) ? Value(number) : Value(nullptr); }

Value cell(const Value& settings, const std::string& name) {
  const auto* value = settings.find(name);
  if (value == nullptr) return nullptr;
  return value->is_integer() || value->is_float() || value->is_string() ? *value : Value(to_json(*value));
}

Table table_of(const std::vector<Group>& groups, const std::vector<std::string>& names) {
  Table table{"copies", {{"quantity"}, {"of"}, {"minus"}}, {}};
  for (const auto& name : names) table.columns.push_back({name});
  for (const char* name : {"value", "low", "high", "interval", "runs"}) table.columns.push_back({name});
  for (const auto& group : groups) {
    const auto scalar = joined(group);
    Value::List row{group.of.quantity, group.of.stage, group.of.baseline.empty() ? Value(nullptr) : Value(group.of.baseline)};
    for (const auto& name : names) row.push_back(cell(group.of.settings, name));
    const std::string interval = interval_name(scalar.interval);
    const auto runs = static_cast<std::int64_t>(group.values.size());
    const auto kind = interval.empty() ? Value(nullptr) : Value(runs > 1 ? interval + " over runs" : interval);
    for (const auto& value : {cell(scalar.value), cell(scalar.low), cell(scalar.high), kind, Value(runs)}) row.push_back(value);
    table.rows.push_back(std::move(row));
  }
  table.caption =
      "Copies of a stage by [sweep] and [rounds]. Runs differ by their seeds alone; their mean has Student's interval over them, and a "
      "value of one run the interval of its metric.";
  return table;
}

std::string line_name(const Subjects& of, const std::string& axis) {
  std::string name = of.baseline.empty() ? of.stage : of.stage + " minus " + of.baseline;
  for (const auto& [setting, value] : of.settings.as_map()) {
    if (setting != axis) name += ", " + setting + " = " + to_json(value);
  }
  return name;
}

// The chart of a quantity against a setting; no series where no line has two points.
Chart chart_of(const std::vector<Group>& groups, const std::string& quantity, const std::string& axis) {
  std::map<std::string, std::map<double, Scalar>> lines;
  for (const auto& group : groups) {
    const auto* x = group.of.quantity == quantity ? group.of.settings.find(axis) : nullptr;
    if (x != nullptr && x->is_number()) lines[line_name(group.of, axis)][x->as_number()] = joined(group);
  }
  Chart chart{quantity + "_by_" + axis, axis, quantity};
  for (const auto& [name, points] : lines) {
    if (points.size() < 2) continue;
    auto& series = chart.series.emplace_back(Chart::Series{.name = name});
    for (const auto& [x, scalar] : points) {
      const bool spread = scalar.interval != intervals::Kind::none;
      series.x.push_back(x);
      series.y.push_back(scalar.value);
      series.low.push_back(spread ? scalar.low : scalar.value);
      series.high.push_back(spread ? scalar.high : scalar.value);
    }
  }
  return chart;
}

bool is_numeric(const std::vector<Group>& groups, const std::string& setting) {
  return std::ranges::all_of(groups, [&](const Group& group) {
    const auto* value = group.of.settings.find(setting);
    return value == nullptr || value->is_number();
  });
}

}  // namespace

Findings findings_of_copies(const Record& record) {
  const auto groups = Copies(record).groups();
  if (groups.empty()) return {};
  Findings found;
  const auto names = settings_of(groups);
  found.tables.push_back(table_of(groups, names));
  std::vector<std::string> quantities;
  for (const auto& group : groups) {
    if (std::ranges::find(quantities, group.of.quantity) == quantities.end()) quantities.push_back(group.of.quantity);
  }
  for (const auto& axis : names) {
    if (!is_numeric(groups, axis)) continue;
    for (const auto& quantity : quantities) {
      auto chart = chart_of(groups, quantity, axis);
      if (!chart.series.empty()) found.charts.push_back(std::move(chart));
    }
  }
  return found;
}

}  // namespace espalier::exec
