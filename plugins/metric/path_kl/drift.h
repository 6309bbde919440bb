#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/sdk/metric.h"

namespace espalier::path_kl {

// KL of one step's law from the base's, given the state that the step leaves.
struct StepDrift {
  std::int64_t steps_remaining = 0;  // where the step begins
  std::vector<double> nats;          // [N], of each trajectory, summed over the state's dimensions
};

struct Drift {
  std::vector<StepDrift> steps;          // that have a density, noisiest first
  std::vector<std::int64_t> no_density;  // steps remaining where the others begin

  std::vector<double> total() const;  // [N], over the steps
};

// Of each trajectory of a view, sampled from q, and each step the KL of q's Gaussian from that of the base p, which is given the same
// state, sampler, grid and guidance:
//   ||mean_q - mean_p||^2 / (2 std^2).
// mean_q = x_next - std xi with the noise xi of the step, drawn again from the seed, so that q's network is not needed: the base's step on
// the same noise, subtracted from x_next, is mean_q - mean_p. In the steps that the base itself took the KL is 0, without a forward pass.
// `batch_size`: samples a forward pass. Throws ConfigError, naming `who`, where the base has other levels of noise than the trajectories,
// where they do not begin at noise or at recorded states, and where a step's law is no Gaussian.
Drift drift(const std::string& who, const View& view, const SamplingInfo& sampling, const std::shared_ptr<const Model>& base,
            std::int64_t batch_size, const StageContext& context);

}  // namespace espalier::path_kl
