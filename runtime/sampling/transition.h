#pragma once

#include <optional>

#include "runtime/sdk/sampler.h"

namespace espalier::sampling {

// A step's Gaussian, with what is done with it.
struct Transition : GaussianStep {
  State draw(random::Draws& draws) const;  // takes elements of the current ordinal, none where std is 0
  // log p(next), a mean over the state's dimensions, [B]; nothing where std is 0.
  std::optional<at::Tensor> log_prob(const State& next) const;
};

// KL(N(q, std^2) || N(p, std^2)) of two Gaussians of one deviation, a mean over the state's dimensions, [B], differentiable in both means:
// mean((q - p)^2) / (2 std^2). `std` above 0. Sums over the fields of `p`.
at::Tensor gaussian_kl(const State& q, const State& p, double std);

// DDIM's step (Song et al., arXiv 2010.02502, formulas 12 and 16) of a variance preserving process, differentiable in `prediction`. eta in
// [0, 1] scales the fresh noise: 0 is deterministic, 1 ancestral (DDPM) sampling.
Transition ddim_transition(const State& x, const State& prediction, const StepEnds& ends, double eta);

}  // namespace espalier::sampling
