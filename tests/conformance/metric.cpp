#include <cmath>

#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {

void check_metric(const PluginEntry& entry, const Options& options, const MetricInput& input) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto metric = make<Metric>(entry, options);
  const auto findings = metric->measure(input);
  const auto& scalars = findings.scalars;
  const auto again = make<Metric>(entry, options)->measure(input).scalars;
  ASSERT_FALSE(scalars.empty());
  ASSERT_EQ(scalars.size(), again.size());
  expect_accepted([&] { espalier::check_findings("the metric", findings); });
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    const auto& scalar = scalars[i];
    SCOPED_TRACE("scalar '" + scalar.name + "'");
    const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    EXPECT_TRUE(scalar.name == again[i].name && same(scalar.value, again[i].value) && same(scalar.low, again[i].low) &&
                same(scalar.high, again[i].high))
        << "an equal key gave another scalar";
  }
}

}  // namespace espalier::conformance
