// Rewards bright images: the mean of all pixels, in [0, 1].
#include "runtime/sdk/plugin.h"

namespace {

class Brightness final : public espalier::Reward {
 public:
  void inputs(espalier::Inputs& in) override { in.trajectories("samples").of("image"); }
  void options(espalier::Schema& schema) override { schema.number("gain", gain_, "Factor that the mean is multiplied with.").above(0.0); }
  at::Tensor score(const espalier::RewardInput& input) const override {
    return input.sample.tensors.at("image").flatten(1).mean(1).mul(gain_);  // [B]
  }

 private:
  double gain_ = 1.0;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reward<Brightness>("brightness", /*numerics_version=*/1, "Prefers bright images."); }
