// Heun's method (the explicit trapezoid) for a rectified flow, with classifier-free guidance and stitched models.
#include <ATen/TensorOperators.h>

#include <cstdint>
#include <map>
#include <string>

#include "plugins/shared/flow/flow_sampler.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::State;

class Heun final : public espalier::flow::FlowSampler {
 public:
  Heun() : FlowSampler("sampler.heun") {}

  std::map<std::string, espalier::PortUse> ports() const override { return {{"prior", espalier::PortUse::refused}}; }

 protected:
  // The last step is Euler's: at t = 1 there is no noise left, and no network was trained there.
  State step(const espalier::GuidedModel& model, const espalier::diffusion::NoiseProcess& process, const State& x,
             const espalier::diffusion::GridPoint& from, const espalier::diffusion::GridPoint& to,
             espalier::random::Draws& draws) const override {
    State slope = model.predict(x, from.timestep);
    State ahead = process.step(x, slope, from, to, 0.0, draws);
    if (to.steps_remaining == 0) return ahead;
    for (const auto& [name, value] : model.predict(ahead, to.timestep)) slope[name] = (slope.at(name) + value) * 0.5;
    return process.step(x, slope, from, to, 0.0, draws);
  }
  std::int64_t predictions(const espalier::Segment& segment) const override {
    return 2 * (segment.first - segment.last) - (segment.last == 0 ? 1 : 0);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<Heun>("heun", /*numerics_version=*/1, /*takes=*/espalier::flow::kProcess,
                       "Heun's second-order sampling of a rectified flow.");
}
