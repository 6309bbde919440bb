#pragma once

#include "runtime/sampling/transition.h"

namespace espalier::dpm_solver {

// Of DPM-Solver++ in the form that predicts x_0 (Lu et al., arXiv 2211.01095, appendix B).
struct Rule {
  bool stochastic = false;  // of the diffusion SDE ("sde-dpmsolver++"), else of its ODE ("dpmsolver++")
  bool heun = false;        // diffusers' solver_type "heun", else "midpoint"
};

// What the network predicted of x_0 at the step before, and the level of the state there.
struct Before {
  State clean;
  diffusion::Level level;
};

// One step from a state at the level `from`, of which the network predicts x_0 = `clean`, to the level `to`: of first order where `before`
// is null, else of second. The Gaussian of the state there given x, `clean` and `before`; its std is 0 for the ODE, and for a step to the
// sample. With lambda = log(alpha / sigma), h = lambda_to - lambda_from and D = (h / (lambda_from - lambda_before)) (clean - before):
//   ODE: N((sigma_to / sigma_from) x - alpha_to (e^-h - 1) clean + c D, 0),
//        c = -alpha_to (e^-h - 1) / 2 (midpoint) or alpha_to ((e^-h - 1) / h + 1) (heun);
//   SDE: N((sigma_to / sigma_from) e^-h x + alpha_to (1 - e^-2h) clean + c D, sigma_to^2 (1 - e^-2h)),
//        c = alpha_to (1 - e^-2h) / 2 (midpoint) or alpha_to (1 - (1 - e^-2h) / 2h) (heun).
// Of first order the SDE's is DDIM's with eta = 1 and the ODE's DDIM's with eta = 0.
sampling::Transition transition(const State& x, const State& clean, const Before* before, const diffusion::Level& from,
                                const diffusion::Level& to, const Rule& rule);

}  // namespace espalier::dpm_solver
