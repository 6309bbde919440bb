#pragma once

#include "runtime/sdk/sampler.h"

namespace espalier::sampling {

// Runs a micro-batch through its phases with the sampler's solvers: the only sampling loop. Each step, and each noising that starts a
// phase, has its own ordinal of the draws, counted over all phases, so that no two share noise. Every grid point of the last phase is
// recorded once, from noise to sample; if a phase starts at noised samples of the same grid, the states with more steps remaining are those
// of the phase before.
void run_sampling(const Sampler& sampler, const TrajectoryJob& job, Recorder& recorder);

// Returns the ordinal of the draws of the step from `steps_remaining` to one less, of the last phase that goes through it.
std::uint32_t step_ordinal(const std::vector<Phase>& phases, std::int64_t steps_remaining);

// Returns a sampler with this loop as a TrajectorySource. It must not outlive the sampler.
std::unique_ptr<TrajectorySource> source_of(const Sampler& sampler);

}  // namespace espalier::sampling
