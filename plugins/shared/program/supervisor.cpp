#include "plugins/shared/program/supervisor.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "runtime/base/errors.h"

namespace espalier::program {
namespace {

constexpr std::chrono::milliseconds kMemoryPoll{200};

// A thread inherits the mask: signals of the run are handled by its other threads.
std::thread without_signals(const std::function<void()>& work) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(work);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

Supervisor::Supervisor(std::int64_t memory_limit) : memory_limit_(memory_limit), bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (bell_.number() < 0) throw StageError(std::string("no program can be supervised: ") + std::strerror(errno));
  thread_ = without_signals([this] { work(); });
}

Supervisor::~Supervisor() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake();
  thread_.join();
}

std::shared_ptr<Child> Supervisor::start(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  std::future<std::shared_ptr<Child>> started;
  {
    const std::lock_guard lock(mutex_);
    started = starts_.emplace_back([&] { return std::make_shared<Child>(command, environment); }).get_future();
  }
  wake();
  auto child = started.get();
  {
    const std::lock_guard lock(mutex_);
    children_.emplace_back(child);
  }
  wake();
  return child;
}

void Supervisor::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(bell_.number(), &one, sizeof one);
}

void Supervisor::work() {
  auto memory_is_due = std::chrono::steady_clock::now();
  while (true) {
    std::vector<std::packaged_task<std::shared_ptr<Child>()>> starts;
    {
      const std::lock_guard lock(mutex_);
      if (over_) return;
      starts.swap(starts_);
    }
    for (auto& start : starts) start();
    const auto children = living();
    wait(children);
    for (const auto& child : children) child->read_errors();
    if (std::chrono::steady_clock::now() < memory_is_due) continue;
    for (const auto& child : children) limit_memory(*child);
    memory_is_due = std::chrono::steady_clock::now() + kMemoryPoll;
  }
}

std::vector<std::shared_ptr<Child>> Supervisor::living() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Child>> children;
  std::erase_if(children_, [&](const auto& child) {
    if (auto held = child.lock()) children.push_back(std::move(held));
    return child.expired();
  });
  return children;
}

void Supervisor::wait(const std::vector<std::shared_ptr<Child>>& children) const {
  std::vector<pollfd> waited = {{bell_.number(), POLLIN, 0}};
  for (const auto& child : children) {
    if (const int errors = child->errors(); errors >= 0) waited.push_back({errors, POLLIN, 0});
  }
  ::poll(waited.data(), waited.size(), memory_limit_ > 0 && !children.empty() ? static_cast<int>(kMemoryPoll.count()) : -1);
  std::uint64_t rings = 0;
  [[maybe_unused]] const auto taken = ::read(bell_.number(), &rings, sizeof rings);
}

void Supervisor::limit_memory(Child& child) const {
  if (memory_limit_ <= 0 || !child.ending().empty()) return;
  const auto bytes = child.resident_bytes(memory_limit_);
  if (bytes <= memory_limit_) return;
  constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
  child.kill(fmt::format("and its children held {:.2f} GiB of memory, above memory_limit = {:.2f}; raise it, or send smaller batches",
                         static_cast<double>(bytes) / kGib, static_cast<double>(memory_limit_) / kGib));
}

}  // namespace espalier::program
