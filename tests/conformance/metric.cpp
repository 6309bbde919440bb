#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {

void check_metric(const PluginEntry& entry, const Options& options, const MetricInput& input) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto findings = make<Metric>(entry, options)->measure(input), again = make<Metric>(entry, options)->measure(input);
  ASSERT_FALSE(findings.scalars.empty() && findings.charts.empty() && findings.tables.empty() && findings.images.empty());
  expect_accepted([&] { espalier::check_findings("the metric", findings); });
  EXPECT_EQ(to_json(to_value(findings), 1), to_json(to_value(again), 1)) << "an equal key gave other findings";
  ASSERT_EQ(findings.images.size(), again.images.size());
  for (std::size_t i = 0; i < findings.images.size(); ++i) {
    EXPECT_EQ(findings.images[i].image.rgb, again.images[i].image.rgb)
        << "an equal key gave another image '" << findings.images[i].name << "'";
  }
}

}  // namespace espalier::conformance
