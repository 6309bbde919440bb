#include "runtime/cli/last_words.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "runtime/tensor/failure.h"

namespace espalier::cli {
namespace {

std::atomic<pid_t> main_runs = 0;  // the process whose main() has not returned; its handlers cannot belong to an object

[[noreturn]] void end(const std::string& what) {
  const auto doing = Doing::now();
  std::fprintf(stderr, "espalier: error: %s%s%s\n", doing.c_str(), doing.empty() ? "" : ": ", what.c_str());
  std::_Exit(static_cast<int>(ExitCode::plugin));
}

void at_exit() {
  if (main_runs != ::getpid()) return;  // a child that a plugin forked
  end("a library ended the program by exit(), and the work is not done; a plugin throws an exception instead");
}

[[noreturn]] void at_terminate() {
  const auto failure = std::current_exception();
  end((failure == nullptr ? "std::terminate was called" : failure_text(failure)) +
      "; nothing can catch it: an exception left a destructor, a static initialiser, a noexcept function or a thread of its own");
}

// Weights lie in mapped files (modelfile/mapped_file.h): the kernel has no page for what was cut off one. Only write() and _exit() may be
// called here.
void at_bus_error(int) {
  static constexpr char kMessage[] =
      "espalier: error: a file that is in use, weights of a model most likely, was cut short or its disk failed; nothing that was made "
      "with it "
      "since is kept: mend the file, and run the pipeline again\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  ::_exit(static_cast<int>(ExitCode::stage_failed));
}

}  // namespace

LastWords::LastWords() {
  main_runs = ::getpid();
  std::signal(SIGBUS, at_bus_error);
  std::set_terminate(at_terminate);
  if (std::atexit(at_exit) != 0 || std::at_quick_exit(at_exit) != 0) throw InternalError("no exit handler can be installed");
}

LastWords::~LastWords() { main_runs = 0; }

}  // namespace espalier::cli
