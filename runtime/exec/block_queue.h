#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

namespace espalier::exec {

// The order in which workers compute the blocks of several stages: those whose trajectories exist, lowest first, then new trajectories. So
// each block is scored soon after it was sampled, while it is in memory, and stages that score the same block decode it once. Thread-safe.
class BlockQueue {
 public:
  struct Stage {
    std::set<std::uint64_t> ready;    // may be computed at once
    std::set<std::uint64_t> waiting;  // may be computed once the source has the block
    int failures = 0;
  };
  struct Task {
    std::size_t stage = 0;
    std::uint64_t block = 0;
  };
  // The source is the stage whose blocks the others wait for; none if no stage waits.
  BlockQueue(std::vector<Stage> stages, std::optional<std::size_t> source);

  // Waits for a task of one of these stages. Returns none once no more will come.
  std::optional<Task> take(const std::vector<std::size_t>& stages);
  void done(const Task& task);
  // No further block of any stage is given out if the source failed or if `ends_all` is set; otherwise none of the stage after its third
  // failure. Returns whether it is not the first error, or blocks are still to be given out.
  bool failed(const Task& task, const std::exception_ptr& error, bool ends_all);
  std::exception_ptr first_error() const;

 private:
  std::optional<Task> next(const std::vector<std::size_t>& stages);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Stage> stages_;
  std::optional<std::size_t> source_;
  std::exception_ptr first_error_;
};

}  // namespace espalier::exec
