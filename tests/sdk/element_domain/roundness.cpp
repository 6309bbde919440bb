// Rewards rings that are rings: 1 where one element is a sun in the middle and all others are planets at distance 1, each within 0.25.
#include <ATen/TensorOperators.h>

#include "runtime/sdk/plugin.h"

namespace {

class Roundness final : public espalier::Reward {
 public:
  void inputs(espalier::Inputs& in) override { in.trajectories("samples").of("rings"); }
  at::Tensor score(const espalier::RewardInput& input) const override {
    const auto& kind = input.sample.tensors.at("class");                           // [B, M]
    const auto off = (input.sample.tensors.at("point").norm(2, -1) - kind).abs();  // a sun's distance is 0, a planet's 1
    const auto in_place = off.lt(0.25).logical_or(kind.lt(0)).all(1);              // [B]
    return in_place.logical_and(kind.eq(0).sum(1).eq(1)).to(at::kFloat);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reward<Roundness>("roundness", /*numerics_version=*/1, "Prefers rings that are rings."); }
