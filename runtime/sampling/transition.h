#pragma once

#include <optional>

#include "runtime/sdk/sampler.h"

namespace espalier::sampling {

// The Gaussian that a stochastic step draws from: N(mean, std^2), independent in every element.
struct Transition {
  State mean;
  double std = 0.0;

  State draw(random::Draws& draws) const;  // takes elements of the current ordinal, none where std is 0
  // log p(next), a mean over the state's dimensions, [B]; nothing where std is 0.
  std::optional<at::Tensor> log_prob(const State& next) const;
};

// DDIM's step (Song et al., arXiv 2010.02502, formulas 12 and 16) of a variance preserving process, differentiable in `prediction`. eta in
// [0, 1] scales the fresh noise: 0 is deterministic, 1 ancestral (DDPM) sampling.
Transition ddim_transition(const State& x, const State& prediction, const StepEnds& ends, double eta);

}  // namespace espalier::sampling
