#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "plugins/shared/program/child.h"

namespace espalier::program {

// One thread that starts programs, reads their standard error and watches their memory. Programs end with it: the system ends a program
// with the thread that started it, so that none outlives a run that is killed.
class Supervisor {
 public:
  // memory_limit: in bytes, of a program and all that it started together; 0: none.
  explicit Supervisor(std::int64_t memory_limit);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Throws Refusal.
  std::shared_ptr<Child> start(const std::vector<std::string>& command, const std::vector<std::string>& environment);

 private:
  void work();
  void wake() const;
  std::vector<std::shared_ptr<Child>> living();
  void wait(const std::vector<std::shared_ptr<Child>>& children) const;
  void limit_memory(Child& child) const;

  std::int64_t memory_limit_;
  Descriptor bell_;  // an eventfd that ends the thread's wait
  std::mutex mutex_;
  bool over_ = false;
  std::vector<std::packaged_task<std::shared_ptr<Child>()>> starts_;
  std::vector<std::weak_ptr<Child>> children_;
  std::thread thread_;
};

}  // namespace espalier::program
