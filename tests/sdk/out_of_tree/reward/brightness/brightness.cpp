// Scores images by the mean of their pixels, in [0, 1].
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

class Brightness final : public Reward {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples").of("image"); }
  void options(Schema& schema) override { schema.number("gain", gain_, "Factor that the mean is multiplied with.").above(0.0); }
  at::Tensor score(const RewardInput& input) const override {
    return input.sample.tensors.at("image").to(at::kDouble).flatten(1).mean(1).mul(gain_);  // [B]
  }

 private:
  double gain_ = 1.0;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reward<Brightness>("brightness", /*numerics_version=*/1, "Prefers bright images."); }
