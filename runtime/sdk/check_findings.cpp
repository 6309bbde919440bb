// Findings: what check_findings promises.
#include <fmt/format.h>

#include <cmath>
#include <set>

#include "runtime/sdk/check.h"
#include "runtime/sdk/check_require.h"

namespace espalier {
namespace {

using check::require;

void check_scalar(const std::string& who, const std::string& name, const Scalar& scalar) {
  require(std::isfinite(scalar.value), who,
          "measure() gave the scalar '{}' the value {}; a value is finite, and a scalar without one is left out", name, scalar.value);
  require(scalar.count >= 0, who, "measure() gave the scalar '{}' the count {}; it is at least 0", name, scalar.count);
  const bool bounds = !std::isnan(scalar.low) || !std::isnan(scalar.high);
  require(bounds == (scalar.interval != intervals::Kind::none), who,
          "measure() gave the scalar '{}' the bounds [{}, {}] and the kind of interval '{}'; an interval has both bounds and a kind (t, "
          "wilson, bootstrap, jackknife or normal), and without one the bounds are NaN",
          name, scalar.low, scalar.high, interval_name(scalar.interval));
  if (!bounds) return;
  const bool holds = std::isfinite(scalar.low) && std::isfinite(scalar.high) && scalar.low <= scalar.value && scalar.value <= scalar.high;
  require(holds, who,
          "measure() gave the scalar '{}' the value {} and the interval [{}, {}]; an interval holds its value, and both bounds are NaN "
          "where there is none",
          name, scalar.value, scalar.low, scalar.high);
}

void require_finite(const std::string& who, const std::string& chart, const std::string& series, const std::vector<double>& numbers) {
  for (const double number : numbers) {
    require(std::isfinite(number), who, "measure() gave the chart '{}' the number {} in the series '{}'; numbers of charts are finite",
            chart, number, series);
  }
}

void check_chart(const std::string& who, const Chart& chart) {
  require(!chart.series.empty(), who, "measure() gave the chart '{}' without a series; leave it out", chart.name);
  require(!chart.x_label.empty() && !chart.y_label.empty(), who, "measure() gave the chart '{}' an axis without a label", chart.name);
  for (const auto& series : chart.series) {
    const auto points = series.x.size();
    const bool interval = (series.low.empty() && series.high.empty()) || (series.low.size() == points && series.high.size() == points);
    require(series.y.size() == points && interval, who,
            "measure() gave the series '{}' of the chart '{}' {} x, {} y, {} low and {} high; there are as many y as x, and none or as "
            "many low "
            "and high",
            series.name, chart.name, points, series.y.size(), series.low.size(), series.high.size());
    for (const auto* numbers : {&series.x, &series.y, &series.low, &series.high}) require_finite(who, chart.name, series.name, *numbers);
  }
}

void check_table(const std::string& who, const Table& table) {
  require(!table.columns.empty(), who, "measure() gave the table '{}' without a column; leave it out", table.name);
  for (const auto& row : table.rows) {
    require(row.size() == table.columns.size(), who,
            "measure() gave the table '{}' a row of {} cells and {} columns; a row has one cell "
            "a column (null: an empty one)",
            table.name, row.size(), table.columns.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto& cell = row[i];
      const bool right = cell.is_string() || cell.is_integer() || cell.is_null() || (cell.is_float() && std::isfinite(cell.as_number()));
      require(right, who,
              "measure() gave the table '{}' the cell {} in the column '{}'; a cell is a string, an integer, a finite float, or null for "
              "an empty one",
              table.name, to_json(cell), table.columns[i].name);
    }
  }
}

void check_image(const std::string& who, const CaptionedImage& image) {
  const auto& [width, height, rgb] = image.image;
  require(width > 0 && height > 0 && static_cast<std::int64_t>(rgb.size()) == 3 * width * height, who,
          "measure() gave the image '{}' {} bytes for {} x {} pixels; an image has 3 bytes a pixel and at least one pixel", image.name,
          rgb.size(), width, height);
}

template <class Item>
void check_names(const std::string& who, const char* what, const std::vector<Item>& items, void (*check)(const std::string&, const Item&)) {
  std::set<std::string> names;
  for (const auto& item : items) {
    require(!item.name.empty(), who, "measure() gave the {} number {} no name", what, names.size() + 1);
    require(names.insert(item.name).second, who, "measure() gave two {}s the name '{}'; names are unique", what, item.name);
    check(who, item);
  }
}

}  // namespace

void check_findings(const std::string& who, const Findings& findings) {
  const auto names = unique_names(findings.scalars);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& scalar = findings.scalars[i];
    require(!scalar.name.empty(), who, "measure() gave a scalar without a name");
    require(seen.insert(names[i]).second, who, "measure() gave two scalars the name '{}'; names are unique, of one subject", names[i]);
    check_scalar(who, names[i], scalar);
  }
  check_names(who, "chart", findings.charts, check_chart);
  check_names(who, "table", findings.tables, check_table);
  check_names(who, "image", findings.images, check_image);
  for (const auto& warning : findings.warnings) require(!warning.empty(), who, "measure() gave an empty warning; leave it out");
}

}  // namespace espalier
