#pragma once

#include "runtime/exec/context.h"

namespace espalier::exec {

// Adds the images, scores, laws, findings and curves of the finished stages, those in context.results, which a report shows, to the record.
void describe_results(Context& context, Record& record);

}  // namespace espalier::exec
