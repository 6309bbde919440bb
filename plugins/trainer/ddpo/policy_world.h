#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/sdk/plugin.h"

// A world for tests of trainer.ddpo in which the gradient of the expected reward is known: the network predicts one number a timestep, so
// that a trajectory is a sum of independent Gaussians, and the reward is the mean of its sample.
namespace espalier::ddpo {

inline constexpr std::int64_t kElements = 4;  // of a state
inline constexpr std::int64_t kSteps = 4;     // of sampling, of 12 in training

// eps = offset[t]. Weights: "unet.offset" [12], all 0. The steps' timesteps are 9, 6, 3, 0 plus `steps_offset`.
Model offset_model(bool set_alpha_to_one = true, std::int64_t steps_offset = 0);

// x at one step is gain x + slope offset[timestep] + std z at the next.
struct LinearStep {
  double gain = 0.0, slope = 0.0, std = 0.0;
  std::int64_t timestep = 0;
};
LinearStep linear_step(const Model& model, std::int64_t steps_remaining);

// Trajectories that the model sampled with ancestral noise.
struct Sampled {
  SelectedTrajectories selection;
  double mean_reward = 0.0;
};
// Trajectory i has condition i mod `conditions`. The reward is the mean of x_0 unless another is given.
Sampled sample(const Model& model, std::int64_t count, std::uint64_t seed, std::int64_t conditions = 1,
               const std::function<double(std::int64_t)>& reward = {});

// One training run, as in a process of its own.
struct Training {
  std::map<std::string, std::map<std::int64_t, double>> curves;  // name -> step -> value
  TrainedModel train(const Value::Map& options, const Model& start, const SelectedTrajectories& selection, const TensorMap* state = nullptr,
                     std::shared_ptr<const Model> reference = nullptr);
};

// The first gradient of a run of one update without clipping of gradients, from AdamW's first moment.
at::Tensor gradient_of(const TrainedModel& trained);

}  // namespace espalier::ddpo
