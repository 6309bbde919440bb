#pragma once

#include "runtime/sampling/transition.h"

namespace espalier::flow_sde {

// A stochastic step of a rectified flow from time t to t' in DDIM's form, differentiable in `prediction`. With the prediction's estimates
// x0hat of the sample and epshat of the noise,
//   X' = t' x0hat + sqrt((1 - t')^2 - tau^2) epshat + tau xi,     tau^2 = eta^2 (1 - t')^2 (1 - (t (1 - t') / (t' (1 - t)))^2).
// eta = 0 is Euler's step; at eta = 1 X' given x0hat is the forward kernel's X' given X_t and x_0. tau is 0 where t' = 1.
sampling::Transition transition(const State& x, const State& prediction, const StepEnds& ends, double eta);

}  // namespace espalier::flow_sde
