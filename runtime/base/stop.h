#pragma once

namespace espalier {

// A request to stop. Long work checks it at every safe point (a micro-batch, an optimizer step) and throws Stopped after saving.
// Signal handlers set it: the first SIGINT, SIGTERM or SIGUSR1 requests a stop; a second SIGINT or SIGTERM ends the process at once with
// code 130.
class StopToken {
 public:
  virtual ~StopToken() = default;
  virtual bool stop_requested() const = 0;
};

// The process's signals. Install once, from main.
class SignalStop final : public StopToken {
 public:
  SignalStop();
  bool stop_requested() const override;
};

class NeverStop final : public StopToken {
 public:
  bool stop_requested() const override { return false; }
};

}  // namespace espalier
