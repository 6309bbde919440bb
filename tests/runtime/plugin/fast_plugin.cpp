// A good plugin linked with -ffast-math, which brings a constructor that has the processor flush small numbers to zero.
#include "runtime/sdk/plugin.h"

namespace {

class Fast final : public espalier::Metric {
 public:
  espalier::Findings measure(const espalier::MetricInput&) const override { return {{{"fast", 1.0, 1.0, 1.0}}, {}}; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.metric<Fast>("fast", 1, "Is fast."); }
