// DDIM and, with eta = 1, ancestral (DDPM) sampling of a variance preserving process, with classifier-free guidance and stitched models.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/diffusion/variance_preserving.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sampling/transition.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ModelInfo;
using espalier::Phase;
using espalier::State;
using espalier::diffusion::NoiseProcess;
using espalier::diffusion::VariancePreserving;
using espalier::sampling::ddim_transition;

constexpr const char* kProcess = "variance_preserving";

class DdimSolver final : public espalier::Solver {
 public:
  explicit DdimSolver(double eta) : eta_(eta) {}
  State step(const State& x, const State& prediction, const espalier::SolverStep& step) override {
    return ddim_transition(x, prediction, step, eta_).draw(step.draws);
  }
  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next,
                                     const espalier::StepEnds& ends) const override {
    return ddim_transition(x, prediction, ends, eta_).log_prob(next);
  }
  std::optional<espalier::GaussianStep> gaussian(const State& x, const State& prediction, const espalier::StepEnds& ends) const override {
    return ddim_transition(x, prediction, ends, eta_);
  }

 private:
  double eta_;
};

class Ddim final : public espalier::Sampler {
 public:
  void options(espalier::Schema& schema) override {
    schema.integer("num_inference_steps", num_inference_steps_, "Denoising steps N; at most the model's num_train_timesteps.")
        .at_least(1)
        .at_most(1e5);
    espalier::sampling::declare_guidance(schema, guidance_);
    schema.number("eta", eta_, "Fresh noise of each step: 0 is deterministic DDIM, 1 ancestral (DDPM) sampling.")
        .at_least(0.0)
        .at_most(1.0);
    // Unkeyed at its default, because the grid, in which the two differ, is in every recipe.
    schema
        .flag("diffusers_previous_timestep", diffusers_previous_timestep_,
              "Step to the level of t - T//N, as diffusers' DDIMScheduler does, for its very numbers. With linspace spacing, and with "
              "trailing "
              "where N does not divide T, that is not the level of the timestep that the network is given next.")
        .unkeyed_default();
  }

  void inputs(espalier::Inputs& in) override { in.model("model").process(kProcess); }

  // LibTorch rounds differently on other CPUs, and the trajectory amplifies that: with kernels for AVX2 or SSE in place of AVX-512, 32
  // samples of shapes-base (50 steps, guidance 2, eta 0 and 1) moved by at most 7e-6 of the largest value.
  double probe_tolerance() const override { return 1e-4; }

  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const override {
    const auto grid = [this](const NoiseProcess& process) {
      if (!diffusers_previous_timestep_) return process.grid(num_inference_steps_);
      return dynamic_cast<const VariancePreserving&>(process).diffusers_grid(num_inference_steps_);
    };
    return {espalier::sampling::stitched_phase(models, {num_inference_steps_, guidance_, grid}, "sampler.ddim", kProcess)};
  }

  std::string no_transition_law() const override {
    return eta_ > 0.0 ? "" : "with eta = 0 its steps are deterministic and have no density; set eta above 0";
  }

  std::unique_ptr<espalier::Solver> solver(const Phase&) const override { return std::make_unique<DdimSolver>(eta_); }

 private:
  std::int64_t num_inference_steps_ = 50;
  espalier::Guidance guidance_ = {.scale = 7.5};
  double eta_ = 0.0;
  bool diffusers_previous_timestep_ = false;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<Ddim>("ddim", /*numerics_version=*/1,
                       "DDIM sampling of a variance preserving process; with eta = 1 ancestral (DDPM) sampling.");
}
