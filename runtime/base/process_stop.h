#pragma once

#include "runtime/base/stop.h"

namespace espalier {

// The stop that the process's signals request, for long work that is passed no token (a domain making its examples). Installs nothing:
// where main holds no SignalStop, a signal ends the process and stop_requested() stays false.
class ProcessStop final : public StopToken {
 public:
  bool stop_requested() const override;
};

}  // namespace espalier
