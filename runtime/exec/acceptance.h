#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// What a filter stage accepted of each condition of the samples that it chooses among. The results of its inputs must be there. Throws
// Quarantined on damage.
AcceptanceRecord acceptance_by_condition(Context& context, const config::StageSpec& filter, const Selection& accepted);

}  // namespace espalier::exec
