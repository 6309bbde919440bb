#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// Returns the FLOPs of the networks that sample one trajectory of a finished stage, with its condition embedded once per segment; a
// multiply-add counts 2. 0 for an inversion.
double flops_per_sample(Context& context, const config::StageSpec& stage);

}  // namespace espalier::exec
