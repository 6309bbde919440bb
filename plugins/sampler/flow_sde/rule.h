#pragma once

#include "runtime/sampling/transition.h"

namespace espalier::flow_sde {

// A stochastic step of a rectified flow from time t to t' in DDIM's form, differentiable in `prediction`. With the prediction's estimates
// x0hat of the sample and epshat of the noise,
//   X' = t' x0hat + sqrt((1 - t')^2 - tau^2) epshat + tau xi,     tau^2 = eta^2 (1 - t')^2 (1 - (t (1 - t') / (t' (1 - t)))^2).
// eta = 0 is Euler's step; at eta = 1 X' given x0hat is the forward kernel's X' given X_t and x_0. tau is 0 where t' = 1.
sampling::Transition transition(const State& x, const State& prediction, const StepEnds& ends, double eta);

// A step of Flow-GRPO (Liu et al. 2025, arXiv 2505.05470, equation 9), differentiable in `prediction`. With its time sigma = 1 - t, 1 at
// noise, dt = sigma - sigma' > 0 and the network's output u = eps - x_0,
//   X' = X - dt (u + s^2 / (2 sigma) (X + (1 - sigma) u)) + s sqrt(dt) xi,     s = noise_level sqrt(sigma / (1 - sigma)).
// At sigma = 1 the 1 - sigma of s is that of the step's end, as in the authors' code. The last step adds noise too.
sampling::Transition flow_grpo_transition(const State& x, const State& prediction, const StepEnds& ends, double noise_level);

}  // namespace espalier::flow_sde
