#include "runtime/base/stop.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "runtime/base/errors.h"
#include "runtime/base/process_stop.h"
#include "runtime/base/stop_notice.h"

namespace espalier {
namespace {

// What a signal handler may touch. The process has one set of signals, so this cannot belong to an object.
volatile std::sig_atomic_t stop_wanted = 0;
volatile std::sig_atomic_t ends_wanted = 0;
std::atomic<const std::string*> waiting_line = nullptr;
static_assert(std::atomic<const std::string*>::is_always_lock_free);

void write_line(std::string_view line) { [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size()); }

// The second of these ends the process at once. The other signals may be repeated without a user: by a scheduler before its time is up, by
// a terminal that is closed, by the kernel each second beyond a limit of CPU time.
bool asks_to_end(int signal) { return signal == SIGINT || signal == SIGTERM; }

void handle(int signal) {
  const int saved = errno;
  if (asks_to_end(signal)) {
    if (ends_wanted) {
      write_line("\nstopped at once; what was not yet saved is computed again by the next run\n");
      ::_exit(static_cast<int>(ExitCode::interrupted));
    }
    ends_wanted = 1;
  }
  if (!stop_wanted) {
    const auto* line = waiting_line.load();
    write_line(line ? std::string_view(*line) : std::string_view("\nstopping\n"));
  }
  stop_wanted = 1;
  errno = saved;
}

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

SignalStop::SignalStop() {
  struct sigaction action{};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;  // libraries need not expect interrupted calls
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU}) {
    if (signal == SIGHUP && is_ignored(signal)) continue;  // nohup: the run is to outlive its terminal
    if (::sigaction(signal, &action, nullptr) != 0) throw InternalError(std::string("cannot handle signals: ") + std::strerror(errno));
  }
}

void stop_waits_for(const std::string& what) {
  // Kept until the process ends: a handler may be reading an earlier line.
  static auto* const lines = new std::deque<std::string>;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  waiting_line = &lines->emplace_back("\nstopping: waiting for " + what + "; a second SIGINT or SIGTERM stops at once\n");
}

bool SignalStop::stop_requested() const { return stop_wanted != 0; }

bool ProcessStop::stop_requested() const { return stop_wanted != 0; }

}  // namespace espalier
