#include "runtime/report/chart.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/report/html.h"

namespace espalier::report {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

// [[x, y], ...]; nlohmann writes NaN as null, which breaks the line there.
template <typename X>
Json points(const std::vector<X>& x, const std::vector<double>& y) {
  auto out = Json::array();
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) out.push_back({x[i], y[i]});
  return out;
}

}  // namespace

std::vector<Drawing> law_charts(const exec::Record& record, const Colours& colours) {
  auto series = Json::array();
  std::string names;
  for (const auto& law : record.laws) {
    if (law.quantile.empty()) continue;
    series.push_back({{"label", law.stage}, {"colour", colours.of(law.stage)}, {"points", points(law.quantile, law.density)}});
    names += (names.empty() ? "" : ", ") + law.stage;
  }
  if (series.empty()) return {};
  const int colour = series.size() == 1 ? series[0]["colour"].get<int>() : -1;
  return {{"law", "Acceptance law w(u)",
           fmt::format("Density of accepted samples relative to the base against the reward's quantile u: {}.", names), colour,
           text_of({{"series", series}})}};
}

std::vector<Drawing> curve_charts(const exec::Record& record, const Colours& colours) {
  std::vector<std::string> names;
  for (const auto& curve : record.curves) {
    if (std::find(names.begin(), names.end(), curve.name) == names.end()) names.push_back(curve.name);
  }
  std::vector<Drawing> charts;
  for (const auto& name : names) {
    auto series = Json::array();
    std::string stages;
    for (const auto& curve : record.curves) {
      if (curve.name != name || curve.step.empty()) continue;
      series.push_back({{"label", curve.stage}, {"colour", colours.of(curve.stage)}, {"points", points(curve.step, curve.value)}});
      stages += (stages.empty() ? "" : ", ") + curve.stage;
    }
    if (series.empty()) continue;
    const int colour = series.size() == 1 ? series[0]["colour"].get<int>() : -1;
    charts.push_back({"curve", words(name), fmt::format("{} against optimizer steps: {}.", words(name), stages), colour,
                      text_of({{"name", words(name)}, {"series", series}})});
  }
  return charts;
}

std::vector<Drawing> timeline_charts(const exec::Record& record, const Colours& colours) {
  if (record.stages.empty()) return {};
  auto bars = Json::array();
  for (const auto& stage : record.stages) {
    bars.push_back({{"tag", stage.tag},
                    {"colour", colours.of(stage.tag)},
                    {"reused", stage.status == "reused"},
                    {"from", stage.start_seconds},
                    {"to", stage.start_seconds + stage.seconds - stage.earlier_seconds},
                    {"text", stage.status == "reused" ? "reused" : duration_text(stage.seconds)}});
  }
  return {{"timeline", "Time line", "Start and end of each stage in seconds since the run began; the table of stages has the numbers.", -1,
           text_of({{"seconds", record.seconds}, {"bars", bars}})}};
}

std::string chart_figure(const Drawing& chart) {
  const auto mark = chart.colour < 0 ? std::string() : fmt::format("<span class=\"mark c{}\"></span>", chart.colour);
  return fmt::format(R"(<figure class="chart {kind}">
<figcaption>{mark}{title}</figcaption>
<div class="plot"><canvas role="img" aria-label="{description}" data-chart="{kind}"></canvas></div>
<script type="application/json">{data}</script>
</figure>
)",
                     fmt::arg("kind", escape(chart.kind)), fmt::arg("mark", mark), fmt::arg("title", escape(chart.title)),
                     fmt::arg("description", escape(chart.description)), fmt::arg("data", script_safe(chart.data)));
}

}  // namespace espalier::report
