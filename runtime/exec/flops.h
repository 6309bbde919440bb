#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// Of the networks that sample one trajectory of a stage that is done, its condition embedded once a segment; 2 a multiply-add. 0 for an
// inversion.
double flops_per_sample(Context& context, const config::StageSpec& stage);

}  // namespace espalier::exec
