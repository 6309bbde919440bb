// Heun's method (the explicit trapezoid) for a rectified flow, with classifier-free guidance and stitched models.
#include <map>
#include <string>

#include "plugins/shared/flow/flow_sampler.h"
#include "runtime/sdk/plugin.h"

namespace {

class Heun final : public espalier::flow::FlowSampler {
 public:
  Heun() : FlowSampler("sampler.heun", "heun") {}

  std::map<std::string, espalier::PortUse> ports() const override { return {{"prior", espalier::PortUse::refused}}; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<Heun>("heun", /*numerics_version=*/1, /*takes=*/espalier::flow::kProcess,
                       "Heun's second-order sampling of a rectified flow.");
}
