#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/sdk/sampler.h"
#include "runtime/sdk/view.h"

namespace espalier {

// How trajectories were sampled.
struct SamplingInfo {
  std::string sampler;                             // "sampler.ddim"
  Value options;                                   // of the sampler, by name
  Phase phase = {};                                // of the recorded states: which model and which guidance took which steps
  std::shared_ptr<const Solver> solver = nullptr;  // fresh, of this phase, for log_prob()
  // An option of the sampler ("guidance_scale", "eta"), so that a trainer need not repeat it. Throws ConfigError, naming `who` and the
  // sampler's options, where there is none or it is no number.
  double number(const std::string& who, const std::string& option) const;
};

// Trajectories that a stage trains on or measures: a selection's; of the input `scores` all with a finite score, each of weight 1.
struct SelectedTrajectories {
  View view;                   // of these trajectories, ascending, K of them
  std::vector<double> weight;  // [K]
  std::vector<double> score;   // [K], by which the last filter chose, or of the input `scores`
  SamplingInfo sampling;
};

}  // namespace espalier
