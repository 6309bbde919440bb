#include <cmath>

#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {

void check_metric(const PluginEntry& entry, const Options& options, const MetricInput& input) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto metric = make<Metric>(entry, options);
  const auto findings = metric->measure(input);
  const auto& figures = findings.figures;
  const auto again = make<Metric>(entry, options)->measure(input).figures;
  ASSERT_FALSE(figures.empty());
  ASSERT_EQ(figures.size(), again.size());
  expect_accepted([&] { espalier::check_findings("the metric", findings); });
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const auto& figure = figures[i];
    SCOPED_TRACE("figure '" + figure.name + "'");
    const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    EXPECT_TRUE(figure.name == again[i].name && same(figure.value, again[i].value) && same(figure.low, again[i].low) &&
                same(figure.high, again[i].high))
        << "an equal key gave another figure";
  }
}

}  // namespace espalier::conformance
