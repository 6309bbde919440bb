#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/report/chart.h"
#include "runtime/report/html.h"

namespace espalier::report {
namespace {

using Json = nlohmann::ordered_json;

// [[x, y], ...] or [[x, y, low, high], ...]; nlohmann writes NaN as null, which breaks the line there.
Json points(const exec::ChartRecord::Series& series) {
  auto out = Json::array();
  const bool spread = !series.low.empty();
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    auto point = Json::array({series.x[i], series.y[i]});
    if (spread) {
      point.push_back(series.low[i]);
      point.push_back(series.high[i]);
    }
    out.push_back(std::move(point));
  }
  return out;
}

std::string description(const exec::ChartRecord& plot) {
  std::string names;
  for (const auto& series : plot.series) {
    names += fmt::format("{}{} ({} points)", names.empty() ? "" : ", ", series.name, series.x.size());
  }
  return fmt::format("{} against {}: {}.", plot.y_label, plot.x_label, names);
}

bool several_stages(const exec::Record& record) {
  for (const auto& plot : record.charts) {
    if (plot.stage != record.charts.front().stage) return true;
  }
  return false;
}

}  // namespace

std::vector<Chart> plot_charts(const exec::Record& record) {
  std::vector<Chart> charts;
  const bool several = several_stages(record);
  for (const auto& plot : record.charts) {
    auto lines = Json::array();
    for (const auto& series : plot.series) {
      if (series.x.empty()) continue;
      lines.push_back({{"label", series.name}, {"colour", static_cast<int>(lines.size()) % Colours::kCount}, {"points", points(series)}});
    }
    if (lines.empty()) continue;
    const Json data = {
        {"x_label", plot.x_label}, {"y_label", plot.y_label}, {"log_x", plot.log_x}, {"log_y", plot.log_y}, {"series", lines}};
    charts.push_back({"lines", words(plot.name) + (several ? " (" + plot.stage + ")" : ""), description(plot), -1,
                      data.dump(-1, ' ', true, Json::error_handler_t::replace)});
  }
  return charts;
}

}  // namespace espalier::report
