#include <cmath>
#include <set>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {

namespace {

void check_plots(const std::vector<Plot>& plots) {
  std::set<std::string> names;
  for (const auto& plot : plots) {
    SCOPED_TRACE("plot '" + plot.name + "'");
    EXPECT_TRUE(!plot.name.empty() && names.insert(plot.name).second) << "two plots have one name";
    EXPECT_FALSE(plot.x_label.empty());
    EXPECT_FALSE(plot.y_label.empty());
    EXPECT_FALSE(plot.series.empty());
    for (const auto& series : plot.series) {
      SCOPED_TRACE("series '" + series.name + "'");
      EXPECT_EQ(series.x.size(), series.y.size());
      EXPECT_TRUE(series.low.empty() || (series.low.size() == series.x.size() && series.high.size() == series.x.size()));
      for (const auto* numbers : {&series.x, &series.y, &series.low, &series.high}) {
        for (const double number : *numbers) EXPECT_TRUE(std::isfinite(number));
      }
    }
  }
}

}  // namespace

void check_metric(const PluginEntry& entry, const Options& options, const MetricInput& input) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto metric = make<Metric>(entry, options);
  const auto findings = metric->measure(input);
  const auto& figures = findings.figures;
  const auto again = make<Metric>(entry, options)->measure(input).figures;
  ASSERT_FALSE(figures.empty());
  ASSERT_EQ(figures.size(), again.size());
  std::set<std::string> names;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const auto& figure = figures[i];
    SCOPED_TRACE("figure '" + figure.name + "'");
    EXPECT_FALSE(figure.name.empty());
    EXPECT_TRUE(names.insert(figure.name).second) << "two figures have one name";
    EXPECT_TRUE(std::isfinite(figure.value)) << figure.value;
    EXPECT_EQ(std::isnan(figure.low), std::isnan(figure.high)) << "half an interval";
    if (!std::isnan(figure.low)) {
      EXPECT_LE(figure.low, figure.value);
      EXPECT_GE(figure.high, figure.value);
    }
    const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    EXPECT_TRUE(figure.name == again[i].name && same(figure.value, again[i].value) && same(figure.low, again[i].low) &&
                same(figure.high, again[i].high))
        << "an equal key gave another figure";
  }
  check_plots(findings.plots);
}

}  // namespace espalier::conformance
