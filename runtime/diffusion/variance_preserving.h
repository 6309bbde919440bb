#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/diffusion/process.h"
#include "runtime/diffusion/scheduler_config.h"

namespace espalier::diffusion {

// Where a grid of DPMSolverMultistepScheduler ends, as its `final_sigmas_type`: clean, or at the level of timestep 0.
enum class FinalSigma { zero, sigma_min };

// x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, t = 0..T-1, on the grids of diffusers' schedulers. Coefficients are computed in double
// from diffusers' float32 alpha_bars and applied in the state's own dtype.
class VariancePreserving final : public NoiseProcess {
 public:
  explicit VariancePreserving(const SchedulerConfig& config);

  Value config() const override { return to_value(config_); }

  // On the timesteps of DDIMScheduler. The first point is pure noise, level {0, 1}. A step reaches abar at the next timestep of the grid,
  // the last one 1 or abar_0 (set_alpha_to_one): every later state has the level of its own timestep.
  Grid grid(std::int64_t num_inference_steps) const override;

  // The same timesteps with the levels of diffusers' DDIMScheduler: a step from timestep t reaches abar at t - T//n, below 0 that of the
  // last step. With linspace, and with trailing where n does not divide T, that is not the level of the timestep that the network is given
  // next (diffusers' issues 9261 and 11347); elsewhere both grids are equal.
  Grid diffusers_grid(std::int64_t num_inference_steps) const;

  // On the timesteps of DPMSolverMultistepScheduler: of `spacing`, else of the one that the scheduler's file names, else linspace. As
  // grid(), but for its end, of which set_alpha_to_one says nothing.
  Grid dpm_solver_grid(std::int64_t num_inference_steps, std::optional<TimestepSpacing> spacing = {},
                       FinalSigma end = FinalSigma::zero) const;

  Level level(double timestep) const override;
  State prior(const StateSpec& spec, const TensorMap& condition, random::Draws& draws) const override;
  State noised(const State& x, const Level& reached, const Level& to, random::Draws& draws) const override;
  // With clip_sample the clean state is clamped; the noise is that of the prediction as it is.
  Estimate estimate(const State& x, const State& prediction, const GridPoint& point) const override;

  // The `forward` loss of P-GRAFT, with rho = abar_s / abar_reached, e the fresh noise and s uniform over the training timesteps strictly
  // noisier than both `reached` and `noisier_than`:
  //   (1 - rho)/(1 - abar_s) || prediction(X_s, s) - target ||^2 / elements,  X_s = sqrt(rho) start + sqrt(1 - rho) e,
  // in the prediction's own units. A clean start (level {1, 0}) makes it diffusers' MSE on the target.
  at::Tensor loss(const Predict& predict, const TrainingBatch& batch, random::Draws& draws) const override;

  const std::vector<double>& alpha_bars() const { return alpha_bars_; }
  Prediction prediction() const { return config_.prediction; }

 private:
  Level ddim_end() const;
  std::vector<Level> levels_of(const std::vector<std::int64_t>& timesteps) const;
  double alpha_bar_at(double timestep) const;
  std::int64_t first_noisier(const TrainingBatch& batch) const;
  at::Tensor loss_coefficients(double reached_alpha_bar, const at::Tensor& timesteps) const;

  SchedulerConfig config_;
  std::vector<double> alpha_bars_;  // [T]
};

}  // namespace espalier::diffusion
