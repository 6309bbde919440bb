#pragma once

#include <cstdint>
#include <string>

#include "runtime/diffusion/process.h"
#include "runtime/diffusion/scheduler_config.h"

namespace espalier::diffusion {

// Straight paths between noise and data (Liu et al., arXiv 2209.03003): x_t = (1-t) eps + t x_0, time t from 0 (noise) to 1 (data), so that
// a state at t has level {t, 1-t}. The velocity is v = x_0 - eps; the network predicts -v and is given num_train_timesteps (1-t), as
// diffusers' FlowMatchEulerDiscreteScheduler has it. Coefficients are computed in double and applied in the state's own dtype.
class RectifiedFlow final : public NoiseProcess {
 public:
  explicit RectifiedFlow(const FlowConfig& config) : NoiseProcess("rectified_flow"), config_(config) {}

  Value config() const override { return to_value(config_); }

  // t_k = k/N with k = N - steps_remaining; diffusers' sigmas are linspace(1, 1/N, N) here. Throws ConfigError below one step.
  Grid grid(std::int64_t num_inference_steps) const override;
  Level level(double timestep) const override;
  State prior(const StateSpec& spec, const TensorMap& condition, random::Draws& draws) const override;
  State noised(const State& x, const Level& reached, const Level& to, random::Draws& draws) const override;
  Estimate estimate(const State& x, const State& prediction, const GridPoint& point) const override;

  // The `forward` loss of P-GRAFT from a state at t, with e the fresh noise and the sampling time s uniform on (0, bound), bound the
  // smaller of the times that `reached` and `noisier_than` stand for:
  //   (sigma/D)^2 || prediction(X_s, s) - target ||^2 / elements,   X_s = (s/t) start + sigma e,   target = (D/sigma) e - start/t,
  //   sigma^2 = (1-s)^2 - (s(1-t)/t)^2,   D = (1-s) + s(1-t)^2/t^2.
  // A clean start (t = 1) makes it diffusers' MSE on e - x_0.
  at::Tensor loss(const Predict& predict, const TrainingBatch& batch, random::Draws& draws) const override;

 private:
  FlowConfig config_;
};

}  // namespace espalier::diffusion
