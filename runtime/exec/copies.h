#pragma once

#include "runtime/exec/record.h"

namespace espalier::exec {

// What metrics found of the copies of stages that [sweep] and [rounds] made, joined: scalars of one name, about copies of one stage with
// the same settings but for their seeds, become one value with its interval over the seeds (student_mean).
//   table "copies"              a row a quantity, stage and settings
//   a chart for each quantity   against each setting whose values are numbers, and the round; a line for each stage and its other settings
// Of one seed, the value has the metric's own interval. Without copies nothing is found.
Findings findings_of_copies(const Record& record);

}  // namespace espalier::exec
