#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// Adds images, scores, laws and curves of the finished stages to the record: what a report shows.
void describe_results(Context& context, Record& record);

}  // namespace espalier::exec
