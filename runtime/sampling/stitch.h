#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/schema.h"
#include "runtime/sdk/trajectory_source.h"

namespace espalier::sampling {

// The process of a model: a denoiser's (else ConfigError, naming `sampler`), and named `process`.
std::shared_ptr<const diffusion::NoiseProcess> process_of(const ModelInfo& model, const std::string& sampler, const std::string& process);

struct Schedule {
  std::int64_t num_steps = 0;
  Guidance guidance = {};
  // The sampler's kind of grid of num_steps steps, where the process has several; none: NoiseProcess::grid.
  std::function<diffusion::Grid(const diffusion::NoiseProcess& process)> grid = {};
};

// The options of samplers that guide.
void declare_guidance(Schema& schema, Guidance& guidance);

// A phase from noise to the sample through these models, whose processes are called `process` and differ in nothing but what their networks
// predict. Throws ConfigError, naming `sampler`, also where a negative prompt would have no effect.
Phase stitched_phase(const std::vector<ModelInfo>& models, const Schedule& schedule, const std::string& sampler,
                     const std::string& process);

// Segments that cover steps N -> 0 with these models, as Sampler::phases describes.
std::vector<Segment> stitch(const std::vector<ModelInfo>& models, std::int64_t num_steps);

// The same phase from `first` steps remaining, as ReDeNoise goes through it again: its sample is noised to there.
Phase renoised_phase(Phase phase, std::int64_t first);

}  // namespace espalier::sampling
