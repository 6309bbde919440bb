#pragma once

#include <string>
#include <vector>

#include "runtime/sdk/trainer.h"

namespace espalier::ddpo {

struct TrainedStep {
  std::int64_t steps_remaining = 0;  // where it begins
  Guidance guidance = {};
};

// Returns the steps that the model took and that have a density given the state that they leave, noisiest first. Throws ConfigError, naming
// `who`, where there is none, and as check_on_policy().
std::vector<TrainedStep> trained_steps(const std::string& who, const SamplingInfo& sampling, const Model& model, const StateSpec& spec);

// Throws ConfigError, naming `who`, unless one of `sampled_with` is `start`: a policy is trained on its own samples.
void check_on_policy(const std::string& who, const ModelInfo& start, const std::vector<ModelInfo>& sampled_with);

}  // namespace espalier::ddpo
