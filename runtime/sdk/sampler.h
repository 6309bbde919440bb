#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"

namespace espalier {

// A model used for steps first -> last (steps remaining, first > last).
struct Segment {
  ModelInfo model;
  std::int64_t first = 0;
  std::int64_t last = 0;
  // By which rule the steps are taken, of a sampler that knows several; an option says it, so it is in no recipe.
  std::string solver{};
};

// Where a trajectory starts, its grid, and the segments that cover it.
struct Phase {
  // "noise"; "previous", the phase before; "renoise:<n>", its sample noised again to n steps; "examples".
  std::string start = "noise";
  Value process;  // NoiseProcess::config()
  diffusion::Grid grid;
  std::vector<Segment> segments;
  Value to_value() const;  // into the recipe
};

// Takes one state of a micro-batch, at a grid point. Keeps a copy on the CPU if the step is wanted.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void record(const diffusion::GridPoint& point, const State& state) = 0;
};

// One micro-batch to compute: raw conditions of its samples (on the device), noise, and the loaded models of the phases' segments.
struct SampleJob {
  const std::vector<Phase>& phases;
  const std::vector<std::vector<std::shared_ptr<const Model>>>& models;  // [phase][segment]
  const StateSpec& spec;
  const TensorMap& condition;       // [B, ...]
  const TensorMap& null_condition;  // [1, ...]
  random::Draws& draws;
  at::Device device;
};

class Sampler : public Plugin {
 public:
  // The phases for these models, in the order they were named (a list is stitched: each is used for the steps it is for, the first that
  // covers a step wins). With a prior (a noise corrector's flow; else null) its phase comes first and the models' phase starts where it
  // ends ("previous"). Pure. Throws ConfigError when a model's process or the prior does not fit, or when a step has no model.
  virtual std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const = 0;

  // Forward passes of the network that a sample costs in one segment, guidance counted (both halves are passes).
  virtual std::int64_t network_evaluations(const Segment& segment) const = 0;

  // Computes a micro-batch, recording every grid point of the last phase, from its start to the sample. Each sample's bits depend on the
  // micro-batch's size alone (of sets of elements also on the sizes of the sets in it, docs/decisions/0009). Runs on one thread, without
  // gradients.
  virtual void sample(const SampleJob& job, Recorder& recorder) const = 0;
};

// Forward passes that a sample costs in all.
std::int64_t network_evaluations(const Sampler& sampler, const std::vector<Phase>& phases);

// The checked process of a model: a denoiser's (else ConfigError, naming `sampler`), and named `process`.
std::shared_ptr<const diffusion::NoiseProcess> process_of(const ModelInfo& model, const std::string& sampler, const std::string& process);

// A phase from noise to the sample through these models, whose processes are called `process` and differ in nothing but what their networks
// predict. Throws ConfigError, naming `sampler`.
Phase stitched_phase(const std::vector<ModelInfo>& models, std::int64_t num_steps, const std::string& sampler, const std::string& process);

// Segments that cover steps N -> 0 with these models, as Sampler::phases describes.
std::vector<Segment> stitch(const std::vector<ModelInfo>& models, std::int64_t num_steps);

// A model under classifier-free guidance for one micro-batch: uncond + guidance_scale (cond - uncond), both halves in one batch;
// guidance_scale = 1 runs one half.
class GuidedModel {
 public:
  GuidedModel(const Model& model, const TensorMap& condition, const TensorMap& null_condition, double guidance_scale);
  State predict(const State& noisy, double timestep) const;

 private:
  const Model& model_;
  TensorMap embedded_;
  double guidance_scale_;
};

}  // namespace espalier
