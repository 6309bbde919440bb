#pragma once

#include <string>

namespace espalier {

// What must come to its end before a stop is heeded, such as "an optimizer step of stage 'graft'": the line that is written the moment a
// stop is asked for names it. Called whenever that changes: a stage begins, a report is written. Any thread.
void stop_waits_for(const std::string& what);

}  // namespace espalier
