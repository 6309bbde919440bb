#pragma once

#include "runtime/base/stop.h"

namespace espalier {

// What the process's signals ask, for long work that no token is handed to (a domain making its examples). Installs nothing: where main
// holds no SignalStop, a signal ends the process and this is never asked to stop.
class ProcessStop final : public StopToken {
 public:
  bool stop_requested() const override;
};

}  // namespace espalier
