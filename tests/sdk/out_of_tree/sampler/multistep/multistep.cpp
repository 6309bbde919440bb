// DPM-Solver++(2M) of a variance preserving process (Lu et al., arXiv 2211.01095, algorithm 2): deterministic, of second order.
#include <cmath>

#include "runtime/sampling/stitch.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

constexpr const char* kProcess = "variance_preserving";

class MultistepSolver final : public Solver {
 public:
  State step(const State& x, const State& prediction, const SolverStep& step) override {
    const auto from = step.process.level(step.from.timestep), to = step.to.level;
    const double lambda = half_log_snr(from), h = half_log_snr(to) - lambda;  // h is infinite for the step to the sample
    auto clean = step.process.estimate(x, prediction, step.from).clean;
    State next;
    for (const auto& [name, x0] : clean) {
      const bool second_order = !before_.empty() && to.sigma > 0.0;
      const auto data = second_order ? x0 + (x0 - before_.at(name)) * (0.5 * h / (lambda - lambda_before_)) : x0;
      next[name] = x.at(name) * (to.sigma / from.sigma) - data * (to.alpha * std::expm1(-h));
    }
    before_ = std::move(clean);
    lambda_before_ = lambda;
    return next;
  }

 private:
  static double half_log_snr(const diffusion::Level& level) { return std::log(level.alpha / level.sigma); }
  State before_;  // the clean state that the step before this one estimated
  double lambda_before_ = 0.0;
};

class Multistep final : public Sampler {
 public:
  void options(Schema& schema) override {
    schema.integer("num_inference_steps", num_inference_steps_, "Denoising steps N.").at_least(1).at_most(1e5);
    sampling::declare_guidance(schema, guidance_);
  }
  void inputs(Inputs& in) override { in.model("model").process(kProcess); }
  double probe_tolerance() const override { return 1e-4; }  // LibTorch rounds otherwise on other CPUs
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const override {
    return {sampling::stitched_phase(models, {num_inference_steps_, guidance_}, "sampler.multistep", kProcess)};
  }
  std::unique_ptr<Solver> solver(const Phase&) const override { return std::make_unique<MultistepSolver>(); }

 private:
  std::int64_t num_inference_steps_ = 20;
  Guidance guidance_;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.sampler<Multistep>("multistep", 1, "DPM-Solver++(2M) sampling of a variance preserving process."); }
