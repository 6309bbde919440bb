#pragma once

#include <string>

namespace espalier {

// Sets what is finished before a requested stop takes effect, such as "an optimizer step of stage 'graft'"; the line that is written at
// the request names it. Called whenever that changes: a stage begins, a report is written. Any thread.
void stop_waits_for(const std::string& what);

}  // namespace espalier
