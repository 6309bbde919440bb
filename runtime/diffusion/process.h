#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/random/draws.h"
#include "runtime/tensor/state.h"

namespace espalier::diffusion {

// How noisy a state is: x_t = alpha x_0 + sigma eps. Where no single alpha fits a whole state (interleaved), the process defines
// both numbers; sigma always rises with the noise, and {1, 0} is clean.
struct Level {
  double alpha = 1.0;  // variance preserving: sqrt(alpha_bar)
  double sigma = 0.0;
};

// A state's place on a sampling grid. `timestep` is what the network is given when a step leaves from here (unused at steps_remaining 0).
struct GridPoint {
  std::int64_t steps_remaining = 0;
  double timestep = 0.0;
  Level level;  // what a state recorded here has actually reached
};

// num_inference_steps + 1 points, from N steps remaining (noise) to 0 (the sample).
struct Grid {
  std::vector<GridPoint> points;
  std::int64_t num_steps() const { return static_cast<std::int64_t>(points.size()) - 1; }
  const GridPoint& at(std::int64_t steps_remaining) const { return points.at(points.size() - 1 - steps_remaining); }
};

// The network's answer for a noisy state; one timestep a sample, [B] float.
using Predict = std::function<State(const State& noisy, const at::Tensor& timestep)>;

// What training starts from: a clean example (level {1, 0}) or a recorded, partly denoised state with the level it has reached.
struct TrainingBatch {
  State start;
  Level reached;
  Level noisier_than;  // noised only to levels strictly noisier than this; {1, 0} allows all
};

// What a network is given for a step that leaves from a state.
struct Query {
  State input;
  double timestep = 0.0;
};

// What a prediction estimates of a state x = alpha x_0 + sigma eps.
struct Estimate {
  State clean;  // x_0
  State noise;  // eps
};

// A noise process: how a state is noised, and what the network predicts. How a step goes back is a solver's (sdk/sampler.h).
// Independent of the domain. Immutable, shared by threads.
class NoiseProcess {
 public:
  explicit NoiseProcess(std::string name) : name_(std::move(name)) {}
  virtual ~NoiseProcess() = default;
  const std::string& name() const { return name_; }  // "variance_preserving", ...
  virtual Value config() const = 0;  // all that determines its numbers; enters keys, and is written to scheduler_config.json

  virtual Grid grid(std::int64_t num_inference_steps) const = 0;

  // The level of the states for which the network is given this timestep.
  virtual Level level(double timestep) const = 0;

  // Pure noise: the state at N steps remaining; what the raw condition gives of the state stands in it already. Takes elements of the
  // current ordinal.
  virtual State prior(const StateSpec& spec, const TensorMap& condition, random::Draws& draws) const = 0;

  // The forward kernel: a state that has reached one level, noised to a noisier one. Takes elements of the current ordinal.
  virtual State noised(const State& x, const Level& reached, const Level& to, random::Draws& draws) const = 0;

  // What the network is given for the step that leaves x at `point`; nothing where that step changes no sample.
  virtual std::optional<Query> query(const State& x, const GridPoint& point) const { return Query{x, point.timestep}; }

  // The prediction for x at `point`, which the network took for a state of level(point.timestep). Differentiable in `prediction`.
  virtual Estimate estimate(const State& x, const State& prediction, const GridPoint& point) const = 0;

  // The training loss of each sample, [B], differentiable through `predict`. Chooses a timestep a sample, noises `start` to it by the
  // process's own forward kernel, and compares in the prediction's units, weighted as the process defines. Throws StageError when no
  // training timestep is noisier than `batch.noisier_than`.
  virtual at::Tensor loss(const Predict& predict, const TrainingBatch& batch, random::Draws& draws) const = 0;

 private:
  std::string name_;
};

// From a diffusers scheduler_config.json (or NoiseProcess::config()); throws DataError naming what is unknown or missing.
std::shared_ptr<const NoiseProcess> make_process(const Value& config, const std::string& origin);

}  // namespace espalier::diffusion
