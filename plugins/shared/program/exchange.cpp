#include "plugins/shared/program/exchange.h"

#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>
#include <vector>

#include "plugins/shared/program/failure.h"

namespace espalier::program {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSliceMilliseconds = 50;                   // between looks at the stop token, the clock and the program's end
constexpr std::chrono::milliseconds kEndAfterEof{1000};  // a program that ends closes its descriptors first

// Writing to a program that has ended is an error here, and no signal: of this thread alone, whatever the process does with SIGPIPE.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    constexpr timespec kNow{};
    if (sigismember(&before_, SIGPIPE) == 0) ::sigtimedwait(&pipe_, nullptr, &kNow);  // takes one that waits
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_, before_;
};

// One message out, and at most one in.
class Exchange {
 public:
  Exchange(Child& child, const Outgoing& message, std::optional<Incoming> answer, double timeout_seconds, const StageContext& stage)
      : child_(child),
        message_(message),
        answer_(std::move(answer)),
        timeout_seconds_(timeout_seconds),
        stage_(stage),
        deadline_(Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds))) {
    for (const auto part : message.parts()) unsent_.push_back({const_cast<char*>(part.data()), part.size()});
  }

  std::optional<Incoming> run() {
    const NoPipeSignal no_signal;
    while (!sent() || (answer_ && !answer_->complete())) {
      stage_.check_stop();
      pollfd waited[2] = {{child_.output(), POLLIN, 0}, {sent() ? -1 : child_.input(), POLLOUT, 0}};
      const int ready = ::poll(waited, 2, kSliceMilliseconds);
      if (waited[0].revents != 0) read_some();
      if (waited[1].revents != 0) write_some();
      if (ready == 0) check_alive();
      if (Clock::now() > deadline_) fail_late();
    }
    return std::move(answer_);
  }

 private:
  bool sent() const { return next_ == unsent_.size(); }

  void write_some() {
    const auto count = std::min<std::size_t>(unsent_.size() - next_, IOV_MAX);
    const auto written = ::writev(child_.input(), unsent_.data() + next_, static_cast<int>(count));
    if (written < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      if (ended_with_an_answer()) return;
      fail_ended("closed its standard input");
    }
    written_ += static_cast<std::uint64_t>(written);
    for (auto left = static_cast<std::size_t>(written); !sent();) {
      auto& part = unsent_[next_];
      const auto size = std::min(left, part.iov_len);
      part = {static_cast<char*>(part.iov_base) + size, part.iov_len - size};
      left -= size;
      if (part.iov_len > 0) return;
      ++next_;
    }
  }

  // What it wrote before it ended shows best what was wrong.
  bool ended_with_an_answer() {
    pollfd readable = {child_.output(), POLLIN, 0};
    if (::poll(&readable, 1, 0) <= 0 || (readable.revents & POLLIN) == 0) return false;
    read_some();
    return true;
  }

  void read_some() {
    const auto size = ::read(child_.output(), buffer_.data(), buffer_.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) fail_ended("closed its standard output");
    const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(size));
    if (!answer_) throw Failure(fmt::format("wrote {} to its standard output, where `{}` has no answer", quote(bytes), message_.type()));
    answer_->add(bytes);
    if (!sent() && answer_->complete()) {
      throw Failure(
          fmt::format("answered `{}` before it had read all of it ({} of {} bytes)", message_.type(), written_, message_.bytes()));
    }
  }

  // A child of the program may hold its standard output open after its end.
  void check_alive() {
    if (!child_.ending().empty() && !ended_with_an_answer()) fail_ended("");
  }

  [[noreturn]] void fail_ended(const std::string& closed) {
    const auto patience = Clock::now() + kEndAfterEof;
    auto how = child_.ending();
    while (how.empty() && Clock::now() < patience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      how = child_.ending();
    }
    if (const auto because = child_.killed_because(); !because.empty()) throw Failure(because);
    if (how.empty()) how = closed;
    throw Failure(fmt::format("{} where it had to {} `{}`", how, sent() ? "answer" : "read", message_.type()));
  }

  [[noreturn]] void fail_late() const {
    if (!sent()) {
      throw Failure(fmt::format("read {} of the {} bytes of `{}` within timeout_seconds = {:g}", written_, message_.bytes(),
                                message_.type(), timeout_seconds_));
    }
    throw Failure(fmt::format("did not answer `{}` within timeout_seconds = {:g}; set it higher where it needs longer", message_.type(),
                              timeout_seconds_));
  }

  Child& child_;
  const Outgoing& message_;
  std::optional<Incoming> answer_;
  double timeout_seconds_;
  const StageContext& stage_;
  Clock::time_point deadline_;
  std::vector<iovec> unsent_;
  std::size_t next_ = 0;
  std::uint64_t written_ = 0;
  std::vector<char> buffer_ = std::vector<char>(1 << 16);
};

}  // namespace

Reply exchange(Child& child, const Outgoing& message, const Due& due, double timeout_seconds, const StageContext& stage) {
  return Exchange(child, message, Incoming(due.type, due.payload_bytes), timeout_seconds, stage).run()->reply();
}

void send(Child& child, const Outgoing& message, double timeout_seconds, const StageContext& stage) {
  Exchange(child, message, std::nullopt, timeout_seconds, stage).run();
}

}  // namespace espalier::program
