#pragma once

#include "plugins/metric/noise_diagnostics/inversions.h"

namespace espalier::noise_diagnostics {

// Residual, contraction ratio (h L, from below) and iterations by step, over all inversions that tried it: where along the path inversion
// is hardest.
std::vector<Chart> steps_charts(const Inversions& inversions);

// "contraction_ratio" (median over all steps and inversions), "contraction_ratio_worst_step" (largest of the steps' medians; both only
// where any step took two evaluations), "iterations_per_step" (mean), "hardest_step" (steps remaining where most iterations are spent).
std::vector<Scalar> steps_scalars(const Inversions& inversions);

}  // namespace espalier::noise_diagnostics
