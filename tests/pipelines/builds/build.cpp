// A sampler and a reward in one library, built several times: other bytes with the same maths, or other maths under one numerics_version.
#include "runtime/sampling/stitch.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ModelInfo;
using espalier::Phase;
using espalier::State;

// Halves its noise at each step, and adds SAMPLE_SHIFT, whatever the network predicts.
class HalvingSolver final : public espalier::Solver {
 public:
  State step(const State& x, const State&, const espalier::SolverStep&) override {
    State next;
    for (const auto& [name, tensor] : x) next[name] = tensor.mul(0.5).add(SAMPLE_SHIFT);
    return next;
  }
};

class Halving final : public espalier::Sampler {
 public:
  void options(espalier::Schema& schema) override { schema.integer("num_inference_steps", steps_, "Halvings.").at_least(1); }
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const override {
    return {espalier::sampling::stitched_phase(models, {steps_}, "sampler.halving", "rectified_flow")};
  }
  void inputs(espalier::Inputs& in) override { in.model("model").process("rectified_flow"); }
  std::unique_ptr<espalier::Solver> solver(const Phase&) const override { return std::make_unique<HalvingSolver>(); }
  double probe_tolerance() const override { return TOLERANCE; }

 private:
  std::int64_t steps_ = 3;
};

// The mean of all pixels, and SCORE_SHIFT.
class Mean final : public espalier::Reward {
 public:
  void inputs(espalier::Inputs& in) override { in.trajectories("samples").of("image"); }
  double probe_tolerance() const override { return TOLERANCE; }
  at::Tensor score(const espalier::RewardInput& input) const override {
    return input.sample.tensors.at("image").flatten(1).mean(1).add(SCORE_SHIFT);  // [B]
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<Halving>("halving", /*numerics_version=*/1, "Build " BUILD ".");
  plugin.reward<Mean>("mean", /*numerics_version=*/1, "Build " BUILD ".");
}
