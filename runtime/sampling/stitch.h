#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/schema.h"
#include "runtime/sdk/trajectory_source.h"

namespace espalier::sampling {

// Returns the process of a denoiser. Throws ConfigError, naming `sampler`, for another model or another process than `process`.
std::shared_ptr<const diffusion::NoiseProcess> process_of(const ModelInfo& model, const std::string& sampler, const std::string& process);

struct Schedule {
  std::int64_t num_steps = 0;
  Guidance guidance = {};
  // Makes the sampler's grid of num_steps steps if the process has several kinds; none: NoiseProcess::grid.
  std::function<diffusion::Grid(const diffusion::NoiseProcess& process)> grid = {};
};

// Declares the options of samplers with guidance.
void declare_guidance(Schema& schema, Guidance& guidance);

// Returns a phase from noise to the sample with these models. Throws ConfigError, naming `sampler`, unless all processes are `process` and
// equal except for what their networks predict, and if a negative prompt or a rescale would have no effect.
Phase stitched_phase(const std::vector<ModelInfo>& models, const Schedule& schedule, const std::string& sampler,
                     const std::string& process);

// Returns segments that cover steps N -> 0 with these models, as Sampler::phases describes.
std::vector<Segment> stitch(const std::vector<ModelInfo>& models, std::int64_t num_steps);

// Returns the phase that repeats `phase` from `first` steps remaining, to which its sample is noised (ReDeNoise).
Phase renoised_phase(Phase phase, std::int64_t first);

}  // namespace espalier::sampling
