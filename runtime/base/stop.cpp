#include "runtime/base/stop.h"

#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string_view>

#include "runtime/base/errors.h"
#include "runtime/base/process_stop.h"

namespace espalier {
namespace {

// What a signal handler may touch. The process has one set of signals, so this cannot belong to an object.
volatile std::sig_atomic_t stop_wanted = 0;
volatile std::sig_atomic_t interrupts = 0;

void handle(int signal) {
  if (signal == SIGINT) {
    if (interrupts) {
      static constexpr std::string_view kLine = "\nstopped at once; what was not yet saved is computed again by the next run\n";
      [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kLine.data(), kLine.size());
      ::_exit(static_cast<int>(ExitCode::interrupted));
    }
    interrupts = 1;
  }
  stop_wanted = 1;
}

}  // namespace

SignalStop::SignalStop() {
  struct sigaction action{};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;  // libraries need not expect interrupted calls
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    if (::sigaction(signal, &action, nullptr) != 0) throw InternalError(std::string("cannot handle signals: ") + std::strerror(errno));
  }
}

bool SignalStop::stop_requested() const { return stop_wanted != 0; }

bool ProcessStop::stop_requested() const { return stop_wanted != 0; }

}  // namespace espalier
