#include "plugins/shared/program/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "plugins/shared/program/command.h"
#include "plugins/shared/program/failure.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::program {
namespace {

constexpr int kPipeBytes = 1 << 20;  // the most that an unprivileged process may ask for, and a few times faster than the default

// All that the child needs between the fork and its program, where nothing may be allocated and no lock taken.
struct Launch {
  const char* path;
  char* const* argv;
  char* const* envp;
  int input, output, errors, status;  // the child's ends; `status` takes the errno of a failed start
  int most_descriptors;
  pid_t parent;
};

// A signal that this process ignores or blocks would stay so in the program.
void reset_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become_program(const Launch& launch) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(127);  // it ended before the line above
  ::dup2(launch.input, STDIN_FILENO);
  ::dup2(launch.output, STDOUT_FILENO);
  ::dup2(launch.errors, STDERR_FILENO);
  if (::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {  // before Linux 5.11
    for (int descriptor = STDERR_FILENO + 1; descriptor < launch.most_descriptors; ++descriptor) {
      ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    }
  }
  reset_signals();
  ::execve(launch.path, launch.argv, launch.envp);
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(launch.status, &error, sizeof error);
  ::_exit(127);
}

// By vfork, as posix_spawn does it: a fork would copy the page tables of all models in memory. No signal may be handled in the child, which
// shares this process's memory until it becomes its program.
[[gnu::noinline]] pid_t fork_program(const Launch& launch) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = ::vfork();  // NOLINT(bugprone-unsafe-functions)
  if (child == 0) become_program(launch);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return child;
}

std::string how_ended(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return fmt::format("ended with exit status {}", info.si_status);
  return fmt::format("was ended by signal {} ({}{})", info.si_status, ::strsignal(info.si_status),
                     info.si_status == SIGKILL ? "; the system sends it where memory runs out" : "");
}

}  // namespace

struct Child::Started {
  pid_t process;
  std::string mark;
  Pipe input, output, errors;
};

Child::Started Child::start(const std::vector<std::string>& words, const std::vector<std::string>& environment) {
  auto mark = "ESPALIER_PROGRAM=" + unique_name();
  auto variables = environment;
  variables.push_back(mark);
  const Command command(words, variables);
  const auto argv = command.argv(), envp = command.envp();
  Pipe input = make_pipe(kPipeBytes), output = make_pipe(kPipeBytes), errors = make_pipe(), status = make_pipe();
  const pid_t process =
      fork_program({command.path().c_str(), argv.data(), envp.data(), input.reads.number(), output.writes.number(), errors.writes.number(),
                    status.writes.number(), static_cast<int>(::sysconf(_SC_OPEN_MAX)), ::getpid()});
  if (process < 0) throw StageError(fmt::format("'{}' cannot be started: {}", command.path(), std::strerror(errno)));
  status.writes.close();
  int error = 0;
  if (::read(status.reads.number(), &error, sizeof error) == sizeof error) {
    ::waitpid(process, nullptr, 0);
    throw Refusal(command.exec_error(error));
  }
  return {process, std::move(mark), std::move(input), std::move(output), std::move(errors)};
}

Child::Child(const std::vector<std::string>& command, const std::vector<std::string>& environment) : Child(start(command, environment)) {}

Child::Child(Started started)
    : process_(started.process),
      family_(started.process, std::move(started.mark)),
      input_(std::move(started.input.writes)),
      output_(std::move(started.output.reads)),
      errors_(std::move(started.errors.reads)) {
  make_nonblocking(input_);
  make_nonblocking(output_);
  make_nonblocking(errors_);
}

Child::~Child() { kill(); }

std::string Child::ending() {
  const std::lock_guard lock(mutex_);
  if (!ending_.empty()) return ending_;
  siginfo_t info{};
  // Not reaped before all of the family is killed: till then its number is nobody else's.
  if (::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) ending_ = how_ended(info);
  return ending_;
}

void Child::kill(const std::string& because) {
  {
    const std::lock_guard lock(mutex_);
    if (!killed_because_) killed_because_ = because;
  }
  const std::lock_guard killing(killing_);
  if (gone_) return;
  gone_ = true;
  siginfo_t info{};
  const bool killed = family_.kill();
  if (killed) ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOWAIT);
  const auto how = ending();
  const std::lock_guard lock(mutex_);
  if (how.empty()) ending_ = "could not be killed";
  if (killed) ::waitpid(process_, nullptr, 0);  // else it could last for ever
}

std::string Child::killed_because() {
  const std::lock_guard lock(mutex_);
  return killed_because_.value_or("");
}

void Child::read_errors() {
  const std::lock_guard lock(mutex_);
  std::array<char, 16384> buffer;
  for (int round = 0; errors_.number() >= 0 && round < 64; ++round) {  // what writes without end may not hold the others up
    const auto size = ::read(errors_.number(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
      errors_.close();
    } else {
      last_lines_.append({buffer.data(), static_cast<std::size_t>(size)});
    }
  }
}

int Child::errors() {
  const std::lock_guard lock(mutex_);
  return errors_.number();
}

std::string Child::last_lines() {
  const std::lock_guard lock(mutex_);
  return last_lines_.text();
}

}  // namespace espalier::program
