// DDIM and, with eta = 1, ancestral (DDPM) sampling of a variance preserving process, with classifier-free guidance and stitched models.
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/diffusion/variance_preserving.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ConfigError;
using espalier::Model;
using espalier::ModelInfo;
using espalier::Phase;
using espalier::SampleJob;
using espalier::State;

constexpr const char* kProcess = "variance_preserving";

State to_device(State state, const at::Device& device) {
  for (auto& [name, value] : state) {
    value = value.to(device);
  }
  return state;
}

class Ddim final : public espalier::Sampler {
 public:
  void options(espalier::Schema& schema) override {
    schema.integer("num_inference_steps", num_inference_steps_, "Denoising steps N; at most the model's num_train_timesteps.")
        .at_least(1)
        .at_most(1e5);
    schema
        .number("guidance_scale", guidance_scale_,
                "Classifier-free guidance: uncond + scale (cond - uncond); 1 runs the network once a step.")
        .at_least(0.0);
    schema.number("eta", eta_, "Fresh noise of each step: 0 is deterministic DDIM, 1 ancestral (DDPM) sampling.")
        .at_least(0.0)
        .at_most(1.0);
    // Unkeyed at its default: that default changed the grid where the two differ, and the grid stands in every recipe.
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
    auto phase = espalier::stitched_phase(models, num_inference_steps_, "sampler.ddim", kProcess);
    if (diffusers_previous_timestep_) phase.grid = process_of(phase).diffusers_grid(num_inference_steps_);
    return {std::move(phase)};
  }

  std::int64_t network_evaluations(const espalier::Segment& segment) const override {
    return (segment.first - segment.last) * (guidance_scale_ == 1.0 ? 1 : 2);
  }

  void sample(const SampleJob& job, espalier::Recorder& recorder) const override {
    const c10::InferenceMode no_gradients;
    if (job.phases.size() != 1 || job.phases.front().start != "noise") {
      throw espalier::InternalError("sampler.ddim was given phases that it did not make");
    }
    const auto& phase = job.phases.front();
    const auto& models = job.models.front();
    job.draws.begin(0);
    State x = to_device(models.front()->process->prior(job.spec, job.draws), job.device);
    recorder.record(phase.grid.at(phase.grid.num_steps()), x);
    for (std::size_t i = 0; i < phase.segments.size(); ++i) {
      x = run(job, phase.segments[i], *models[i], std::move(x), recorder);
    }
  }

 private:
  static espalier::diffusion::VariancePreserving process_of(const Phase& phase) {
    return espalier::diffusion::VariancePreserving(espalier::diffusion::read_scheduler_config(phase.process, "sampler.ddim"));
  }

  // Steps of one segment. The step that leaves n steps remaining draws at ordinal N - n: every step of a trajectory has its own noise, the
  // same whichever model takes it.
  State run(const SampleJob& job, const espalier::Segment& segment, const Model& model, State x, espalier::Recorder& recorder) const {
    const auto& grid = job.phases.front().grid;
    const espalier::GuidedModel guided(model, job.condition, job.null_condition, guidance_scale_);
    for (std::int64_t n = segment.first; n > segment.last; --n) {
      const auto& from = grid.at(n);
      const auto& to = grid.at(n - 1);
      job.draws.begin(static_cast<std::uint32_t>(grid.num_steps() - to.steps_remaining));
      x = model.process->step(x, guided.predict(x, from.timestep), from, to, eta_, job.draws);
      recorder.record(to, x);
    }
    return x;
  }

  std::int64_t num_inference_steps_ = 50;
  double guidance_scale_ = 7.5;
  double eta_ = 0.0;
  bool diffusers_previous_timestep_ = false;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<Ddim>("ddim", /*numerics_version=*/1,
                       "DDIM sampling of a variance preserving process; with eta = 1 ancestral (DDPM) sampling.");
}
