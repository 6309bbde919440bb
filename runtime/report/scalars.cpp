// Scalars with their intervals: those of one name in one table, a row a subject.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "runtime/report/html.h"
#include "runtime/report/sections.h"

namespace espalier::report {
namespace {

struct Row {
  std::string stage;  // whose mark and name stand first; "" for a split's examples
  std::string metric;
  const Scalar* scalar;
};

bool has_interval(const Scalar& scalar) { return scalar.interval != intervals::Kind::none; }
bool is_difference(const Scalar& scalar) { return !scalar.about.baseline.empty(); }

struct Scale {
  double low = 0.0;
  double high = 0.0;
  double percent(double value) const { return 100.0 * (value - low) / (high - low); }
};

// Room for every value and interval, and for zero where a difference is shown.
Scale scale_of(const std::vector<Row>& rows) {
  Scale scale{rows.front().scalar->value, rows.front().scalar->value};
  const auto include = [&scale](double value) {
    if (!std::isfinite(value)) return;
    scale.low = std::min(scale.low, value);
    scale.high = std::max(scale.high, value);
  };
  for (const auto& row : rows) {
    for (const double value : {row.scalar->value, row.scalar->low, row.scalar->high}) include(value);
    if (is_difference(*row.scalar)) include(0.0);
  }
  const double margin = scale.high > scale.low ? 0.06 * (scale.high - scale.low) : 0.5;
  return {scale.low - margin, scale.high + margin};
}

std::string interval_image(const Scalar& scalar, const Scale& scale, const std::string& colour) {
  if (!std::isfinite(scalar.value)) return "";
  std::string inside;
  if (is_difference(scalar))
    inside += fmt::format("<line class=\"zero\" x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y1=\"0\" y2=\"100%\"/>", scale.percent(0.0));
  if (has_interval(scalar)) {
    inside += fmt::format("<line class=\"whisker\" x1=\"{:.2f}%\" x2=\"{:.2f}%\" y1=\"50%\" y2=\"50%\"/>", scale.percent(scalar.low),
                          scale.percent(scalar.high));
  }
  inside += fmt::format("<circle cx=\"{:.2f}%\" cy=\"50%\" r=\"5\"/>", scale.percent(scalar.value));
  return fmt::format("<svg class=\"interval {}\" aria-hidden=\"true\">{}</svg>", colour, inside);
}

std::string verdict(const Scalar& scalar) {
  if (!is_difference(scalar) || !has_interval(scalar)) return "";
  if (scalar.low > 0.0) return " <span class=\"badge good\">above 0</span>";
  if (scalar.high < 0.0) return " <span class=\"badge bad\">below 0</span>";
  return " <span class=\"badge\">includes 0</span>";
}

// What the scalar is of: a stage with its mark and, of a difference, its baseline; or a split's examples.
std::string subject(const Row& row, const Colours& colours) {
  const auto& about = row.scalar->about;
  if (!about.split.empty()) return fmt::format("<span class=\"stage\">data: {}</span>", escape(about.split));
  const auto baseline = about.baseline.empty() ? "" : fmt::format("<span class=\"type\">minus {}</span>", escape(about.baseline));
  return stage_name(row.stage, colours) + baseline;
}

std::string scalar_row(const Row& row, const Scale& scale, const Colours& colours) {
  const auto& scalar = *row.scalar;
  const auto interval =
      has_interval(scalar) ? fmt::format("{} to {}", number_text(scalar.low), number_text(scalar.high)) : std::string("–");
  const auto count = scalar.count == 0 ? std::string("–") : count_text(scalar.count);
  return fmt::format(
      "<tr><th scope=\"row\">{}</th><td class=\"number strong\">{}</td><td class=\"number\">{}{}</td><td class=\"number\">{}</td>"
      "<td class=\"wide\">{}</td></tr>\n",
      subject(row, colours), number_text(scalar.value), interval, verdict(scalar), count,
      interval_image(scalar, scale, scalar.about.split.empty() ? fmt::format("c{}", colours.of(row.stage)) : "data"));
}

// "95 % interval (bootstrap)"
std::string interval_heading(const std::vector<Row>& rows) {
  std::set<std::string> kinds;
  for (const auto& row : rows) kinds.insert(interval_name(row.scalar->interval));
  kinds.erase("");
  return kinds.empty() ? "95 % interval" : fmt::format("95 % interval ({})", fmt::join(kinds, ", "));
}

std::string scalar_table(const std::vector<Row>& rows, const Colours& colours) {
  const auto scale = scale_of(rows);
  std::string body;
  for (const auto& row : rows) body += scalar_row(row, scale, colours);
  return fmt::format(R"(<div class="scroll"><table class="scalars"><caption>{}</caption>
<thead><tr><th scope="col">of</th><th scope="col" class="number">value</th><th scope="col" class="number">{}</th><th scope="col" class="number">n</th><td class="wide"></td></tr></thead>
<tbody>{}</tbody></table></div>
)",
                     escape(words(rows.front().scalar->name)), interval_heading(rows), body);
}

// Scalars of one subject without an interval, a row each.
std::string plain_table(const std::vector<Row>& rows, const Colours& colours) {
  std::string body;
  for (const auto& row : rows) {
    body += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number strong\">{}</td></tr>\n", subject(row, colours),
                        escape(words(row.scalar->name)), number_text(row.scalar->value));
  }
  return fmt::format(R"(<details><summary>Other scalars ({})</summary><div class="scroll"><table>
<thead><tr><th scope="col">of</th><th scope="col">scalar</th><th scope="col" class="number">value</th></tr></thead>
<tbody>{}</tbody></table></div></details>
)",
                     rows.size(), body);
}

// A row is named by the stage that its scalar is about; by the metric's stage where it is about none, or where two rows of one table would
// else look the same.
std::vector<Row> rows_of(const exec::Record& record) {
  std::vector<Row> rows;
  std::map<std::pair<std::string, std::string>, int> seen;
  for (const auto& [metric, findings, time] : record.findings) {
    for (const auto& scalar : findings.scalars) {
      const auto& about = scalar.about;
      rows.push_back({about.split.empty() && about.stage.empty() ? metric : about.stage, metric, &scalar});
      ++seen[{rows.back().stage, scalar.name}];
    }
  }
  for (auto& row : rows) {
    if (seen[{row.stage, row.scalar->name}] > 1 && row.scalar->about.split.empty()) row.stage = row.metric;
  }
  return rows;
}

}  // namespace

std::string scalars_section(const exec::Record& record, const Colours& colours) {
  const auto rows = rows_of(record);
  std::map<std::string, int> subjects;  // that have a scalar of this name
  for (const auto& row : rows) ++subjects[row.scalar->name];
  // What has an interval or is there to be compared is drawn; the rest is one list.
  const auto drawn = [&](const Row& row) { return has_interval(*row.scalar) || subjects.at(row.scalar->name) > 1; };
  std::vector<std::vector<Row>> groups;  // in the record's order
  std::vector<Row> plain;
  for (const auto& row : rows) {
    if (!drawn(row)) {
      plain.push_back(row);
      continue;
    }
    const auto same = [&](const auto& group) { return group.front().scalar->name == row.scalar->name; };
    const auto group = std::find_if(groups.begin(), groups.end(), same);
    (group == groups.end() ? groups.emplace_back() : *group).push_back(row);
  }
  std::string tables;
  for (const auto& group : groups) tables += scalar_table(group, colours);
  if (!tables.empty()) tables = "<div class=\"pair\">\n" + tables + "</div>\n";
  if (!plain.empty()) tables += plain_table(plain, colours);
  return section(
      "results", "Results",
      "Values with their 95 % intervals as the metric stages computed them, n the independent rows (samples or prompts) that each "
      "is of. What each scalar means, and what it does not, is in the README of its metric.",
      tables);
}

}  // namespace espalier::report
