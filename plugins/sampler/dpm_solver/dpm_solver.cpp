// DPM-Solver++ of a variance preserving process, of first order and multistep of second (2M), of the ODE and of the SDE, with
// classifier-free guidance and stitched models.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/sampler/dpm_solver/rule.h"
#include "runtime/base/errors.h"
#include "runtime/diffusion/variance_preserving.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ModelInfo;
using espalier::Phase;
using espalier::State;
using espalier::StepEnds;
using espalier::diffusion::FinalSigma;
using espalier::diffusion::NoiseProcess;
using espalier::diffusion::TimestepSpacing;
using espalier::diffusion::VariancePreserving;

constexpr const char* kProcess = "variance_preserving";
constexpr std::int64_t kFewSteps = 15;  // below this lower_order_final counts, as in diffusers

struct Settings {
  espalier::dpm_solver::Rule rule;
  std::int64_t order = 2;
  bool first_order_at_end = true;
};

class MultistepSolver final : public espalier::Solver {
 public:
  explicit MultistepSolver(const Settings& settings) : settings_(settings) {}

  State step(const State& x, const State& prediction, const espalier::SolverStep& step) override {
    auto clean = step.process.estimate(x, prediction, step.from).clean;
    const auto from = step.process.level(step.from.timestep);
    const bool second = settings_.order == 2 && before_ && !(settings_.first_order_at_end && step.to.steps_remaining == 0);
    auto next =
        espalier::dpm_solver::transition(x, clean, second ? &*before_ : nullptr, from, step.to.level, settings_.rule).draw(step.draws);
    before_ = {std::move(clean), from};
    return next;
  }

  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next, const StepEnds& ends) const override {
    if (settings_.order == 2) return std::nullopt;
    const auto clean = ends.process.estimate(x, prediction, ends.from).clean;
    return espalier::dpm_solver::transition(x, clean, nullptr, ends.process.level(ends.from.timestep), ends.to.level, settings_.rule)
        .log_prob(next);
  }

  std::optional<espalier::GaussianStep> gaussian(const State& x, const State& prediction, const StepEnds& ends) const override {
    if (settings_.order == 2) return std::nullopt;
    return espalier::dpm_solver::transition(x, ends.process.estimate(x, prediction, ends.from).clean, nullptr,
                                            ends.process.level(ends.from.timestep), ends.to.level, settings_.rule);
  }

 private:
  Settings settings_;
  std::optional<espalier::dpm_solver::Before> before_;
};

class DpmSolver final : public espalier::Sampler {
 public:
  // Names and defaults are those of diffusers' DPMSolverMultistepScheduler.
  void options(espalier::Schema& schema) override {
    schema.integer("num_inference_steps", num_inference_steps_, "Denoising steps N; less than the model's num_train_timesteps.")
        .at_least(1)
        .at_most(1e5);
    espalier::sampling::declare_guidance(schema, guidance_);
    schema.choice("algorithm_type", algorithm_type_, {"dpmsolver++", "sde-dpmsolver++"},
                  "dpmsolver++ solves the ODE, without fresh noise; sde-dpmsolver++ the SDE.");
    schema.integer("solver_order", solver_order_, "2: each step also uses the prediction of the step before (2M). 1: DDIM's steps.")
        .at_least(1)
        .at_most(2);
    schema.choice("solver_type", solver_type_, {"midpoint", "heun"}, "How a step of order 2 weighs the change between the predictions.");
    schema.flag("lower_order_final", lower_order_final_, "The last step of fewer than 15 is of order 1.");
    schema.flag("euler_at_final", euler_at_final_, "The last step is of order 1, however many there are.");
    schema.choice("final_sigmas_type", final_sigmas_type_, {"zero", "sigma_min"},
                  "Where the last step ends: at sigma 0 (it is of order 1 then), or at the level of timestep 0.");
    schema.choice("timestep_spacing", timestep_spacing_, {"model", "linspace", "leading", "trailing"},
                  "How timesteps are spaced; model: as the model's scheduler_config.json says, and linspace where it names no spacing.");
  }

  void inputs(espalier::Inputs& in) override { in.model("model").process(kProcess); }

  double probe_tolerance() const override { return 1e-4; }  // as sampler.ddim: LibTorch rounds differently on other CPUs

  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const override {
    const auto end = final_sigmas_type_ == "zero" ? FinalSigma::zero : FinalSigma::sigma_min;
    const auto grid = [&](const NoiseProcess& process) {
      return dynamic_cast<const VariancePreserving&>(process).dpm_solver_grid(num_inference_steps_, spacing(), end);
    };
    return {espalier::sampling::stitched_phase(models, {num_inference_steps_, guidance_, grid}, "sampler.dpm_solver", kProcess)};
  }

  std::unique_ptr<espalier::Solver> solver(const Phase& phase) const override {
    const bool few = phase.grid.num_steps() < kFewSteps;
    const bool first_at_end = euler_at_final_ || (lower_order_final_ && few) || final_sigmas_type_ == "zero";
    return std::make_unique<MultistepSolver>(Settings{{stochastic(), solver_type_ == "heun"}, solver_order_, first_at_end});
  }

  std::string no_transition_law() const override {
    if (!stochastic()) {
      return "algorithm_type = \"dpmsolver++\" is deterministic and has no density; take \"sde-dpmsolver++\" with solver_order = 1";
    }
    if (solver_order_ == 1) return "";
    return "with solver_order = 2 a step depends on the prediction of the step before, not on the state alone; set solver_order = 1";
  }

 private:
  bool stochastic() const { return algorithm_type_ == "sde-dpmsolver++"; }
  std::optional<TimestepSpacing> spacing() const {
    if (timestep_spacing_ == "linspace") return TimestepSpacing::linspace;
    if (timestep_spacing_ == "leading") return TimestepSpacing::leading;
    if (timestep_spacing_ == "trailing") return TimestepSpacing::trailing;
    return std::nullopt;
  }

  std::int64_t num_inference_steps_ = 20;
  espalier::Guidance guidance_ = {.scale = 7.5};
  std::string algorithm_type_ = "dpmsolver++";
  std::int64_t solver_order_ = 2;
  std::string solver_type_ = "midpoint";
  bool lower_order_final_ = true;
  bool euler_at_final_ = false;
  std::string final_sigmas_type_ = "zero";
  std::string timestep_spacing_ = "model";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<DpmSolver>("dpm_solver", /*numerics_version=*/1,
                            "DPM-Solver++ sampling (2M, of the ODE or the SDE) of a variance preserving process.");
}
