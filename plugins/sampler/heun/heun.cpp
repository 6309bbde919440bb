// Heun's method (the explicit trapezoid) for a rectified flow, with classifier-free guidance and stitched models.
#include <string>

#include "plugins/shared/flow/flow_sampler.h"
#include "runtime/sdk/plugin.h"

namespace {

class Heun final : public espalier::flow::FlowSampler {
 public:
  Heun() : FlowSampler("sampler.heun", "heun") {}
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.sampler<Heun>("heun", /*numerics_version=*/1, "Heun's second-order sampling of a rectified flow."); }
