// Scores images by the mean of their pixels, in [0, 1].
#include <ATen/core/Tensor.h>

#include "runtime/sdk/plugin.h"

namespace {

class @Type@ final : public espalier::Reward {
 public:
  void inputs(espalier::Inputs& in) override { in.trajectories("samples").of("image"); }
  void options(espalier::Schema & schema) override { schema.number("gain", gain_, "Factor that the mean is multiplied with.").above(0.0); }

  // sample: "image" [B, C, H, W] in [0, 1].
  at::Tensor score(const espalier::RewardInput& input) const override {
    return input.sample.tensors.at("image").to(at::kDouble).flatten(1).mean(1).mul(gain_);  // [B]
  }

 private:
  double gain_ = 1.0;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reward<@Type@>("@name@", /*numerics_version=*/1, "Prefers bright images."); }
