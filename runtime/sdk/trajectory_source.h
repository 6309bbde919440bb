#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/stop.h"
#include "runtime/sdk/domain.h"

namespace espalier {

// Classifier-free guidance, under diffusers' names.
struct Guidance {
  double scale = 1.0;    // guidance_scale: uncond + scale (cond - uncond); 1 evaluates the network once
  double rescale = 0.0;  // guidance_rescale: how far the guided prediction's deviation is brought back to that of cond, 0 to 1
  std::optional<std::string> negative_prompt = std::nullopt;  // the text of the null condition (encoding.h)
};

// A model used for steps first -> last (steps remaining, first > last).
struct Segment {
  ModelInfo model;
  std::int64_t first = 0;
  std::int64_t last = 0;
  Guidance guidance = {};
};

// Where a trajectory starts, its grid, and the segments that cover it.
struct Phase {
  // "noise", the process's prior; "previous", the end of the phase before; "renoise:<n>", its sample noised again to n steps; "examples";
  // "recorded:<n>", the state of another stage's trajectory at n steps (of a stage with the input `start`; no sampler makes such a phase).
  std::string start = "noise";
  Value process;  // NoiseProcess::config()
  diffusion::Grid grid;
  std::vector<Segment> segments;
  std::string solver = {};  // the rule of its steps, of a sampler that has several
  Value to_value() const;   // into the recipe
};

// n of a phase that starts at "renoise:<n>"; nothing for another start.
std::optional<std::int64_t> renoised_to(const Phase& phase);
std::string renoise_start(std::int64_t steps_remaining);

// A sampler's phases, to begin at a recorded state with this many steps remaining: of its last phase, what is after. Throws ConfigError
// where the last phase does not go through that step, or continues a phase before it on another grid.
std::vector<Phase> continued_from(std::vector<Phase> phases, std::int64_t steps_remaining);
std::optional<std::int64_t> recorded_start(const Phase& phase);  // n of a phase that starts at "recorded:<n>"

// From noise to the sample (a sampler's), or from examples to their noise (a noise corrector's).
enum class Direction { to_sample, to_noise };

// Takes one state of a batch, at a grid point. Keeps a copy on the CPU if the step is wanted.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void record(const diffusion::GridPoint& point, const State& state) = 0;
};

// A segment's model, and the batch's conditions as its process and its network take them.
struct SegmentModel {
  std::shared_ptr<const Model> model;
  TensorMap condition = {};      // rows of EncodedConditions, [B, ...], which a prior may depend on
  TensorMap embedded = {};       // Network::embed() of them, [B, ...]
  TensorMap null_embedded = {};  // of the null condition, [1, ...]
};

// A batch of trajectories to compute. Tensors are on the device.
struct TrajectoryJob {
  const std::vector<Phase>& phases;
  const std::vector<std::vector<SegmentModel>>& models;  // [phase][segment]
  const StateSpec& spec;
  const State& start;        // [B, ...], of phases that start at "examples" (clean) or "recorded:<n>"; else empty
  std::int64_t micro_batch;  // rows of every forward pass: a network's last bits depend on it
  random::Draws& draws;      // of the B trajectories
  at::Device device;
  const StopToken& stop;  // work of more than a micro-batch checks it between forward passes and throws Stopped
};

// What computes trajectories: a sampler, driven by the engine's loop, or a noise corrector.
class TrajectorySource {
 public:
  virtual ~TrajectorySource() = default;
  virtual Direction direction() const = 0;
  // The phases for these models and this prior (null: none). Pure. Throws ConfigError where they do not fit.
  virtual std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const = 0;
  // Forward passes of the network that a trajectory is expected to cost in one segment of a phase, guidance counted.
  virtual std::int64_t network_evaluations(const Phase& phase, const Segment& segment) const = 0;
  // Whether a block is computed at once (its rows wait for each other), and not a micro-batch at a time.
  virtual bool whole_blocks() const = 0;
  // Computes a batch, recording every grid point of the last phase in its direction. Each trajectory's bits depend on the micro-batch's
  // size alone (of sets of elements also on the sizes of the sets in it, docs/decisions/0009). Runs on one thread, without gradients.
  // Returns the forward passes spent, times their rows.
  virtual std::int64_t compute(const TrajectoryJob& job, Recorder& recorder) const = 0;
};

// Forward passes that a trajectory is expected to cost in all.
std::int64_t network_evaluations(const TrajectorySource& source, const std::vector<Phase>& phases);

}  // namespace espalier
