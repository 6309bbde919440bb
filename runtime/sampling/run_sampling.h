#pragma once

#include "runtime/sdk/sampler.h"

namespace espalier::sampling {

// Takes a micro-batch through its phases by the sampler's solvers: the only loop of sampling. Every ordinal of the draws is one step, or
// the noising that starts a phase, counted over all phases: no two share noise. Every grid point of the last phase is recorded once, from
// its noise to the sample; where a later phase starts at noised samples of the same grid, the steps above it are those of the phase before.
void run_sampling(const Sampler& sampler, const TrajectoryJob& job, Recorder& recorder);

// A sampler with this loop, for as long as the sampler lives.
std::unique_ptr<TrajectorySource> source_of(const Sampler& sampler);

}  // namespace espalier::sampling
