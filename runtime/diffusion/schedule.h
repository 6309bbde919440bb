#pragma once

#include <cstdint>
#include <vector>

#include "runtime/diffusion/scheduler_config.h"

namespace espalier::diffusion {

// alpha_bar_t for t = 0..T-1, strictly decreasing: the numbers of diffusers' `alphas_cumprod`. As there, betas and 1 - beta are float32
// and each alpha_bar is a product taken in double and rounded to float32; written without vector instructions, so that the bits are the
// same on every machine. All later arithmetic on them is double. Throws DataError where the schedule is not strictly decreasing.
std::vector<double> alpha_bars(const SchedulerConfig& config);

// The timesteps of diffusers' DDIMScheduler.set_timesteps(n), noisiest first, exactly n of them; leading where the file names no spacing.
// Throws ConfigError when n is not in 1..T or when `steps_offset` pushes a timestep beyond T-1.
std::vector<std::int64_t> ddim_timesteps(const SchedulerConfig& config, std::int64_t num_inference_steps);

// Those of DPMSolverMultistepScheduler.set_timesteps(n), which has one step less between its linspace and leading timesteps and none at
// timestep 0. Throws ConfigError as ddim_timesteps, and where a timestep would be taken twice (n = T, except with trailing spacing).
std::vector<std::int64_t> dpm_solver_timesteps(const SchedulerConfig& config, TimestepSpacing spacing, std::int64_t num_inference_steps);

}  // namespace espalier::diffusion
