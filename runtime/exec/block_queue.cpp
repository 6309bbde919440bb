#include "runtime/exec/block_queue.h"

#include <algorithm>

namespace espalier::exec {
namespace {

constexpr int kMostFailures = 3;  // blocks of scores: by then the reward is broken, and no single sample

}  // namespace

BlockQueue::BlockQueue(std::vector<Stage> stages, std::optional<std::size_t> source) : stages_(std::move(stages)), source_(source) {}

std::optional<BlockQueue::Task> BlockQueue::next(const std::vector<std::size_t>& stages) {
  std::optional<Task> best;
  for (const auto stage : stages) {
    const auto& ready = stages_[stage].ready;
    if (ready.empty()) continue;
    const bool better = !best || best->stage == source_ || (stage != source_ && *ready.begin() < best->block);
    if (better) best = {stage, *ready.begin()};
  }
  if (best) stages_[best->stage].ready.erase(best->block);
  return best;
}

std::optional<BlockQueue::Task> BlockQueue::take(const std::vector<std::size_t>& stages) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (const auto task = next(stages)) return task;
    if (std::ranges::all_of(stages, [&](std::size_t stage) { return stages_[stage].waiting.empty(); })) return std::nullopt;
    changed_.wait(lock);
  }
}

void BlockQueue::done(const Task& task) {
  if (task.stage != source_) return;
  const std::lock_guard lock(mutex_);
  for (auto& stage : stages_) {
    if (stage.waiting.erase(task.block) > 0) stage.ready.insert(task.block);
  }
  changed_.notify_all();
}

bool BlockQueue::failed(const Task& task, const std::exception_ptr& error, bool ends_all) {
  const std::lock_guard lock(mutex_);
  const bool is_first = !first_error_;
  if (is_first) first_error_ = error;
  const bool ends_stage = ++stages_[task.stage].failures == kMostFailures;
  for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
    if (ends_all || task.stage == source_ || (ends_stage && task.stage == stage)) stages_[stage] = {};
  }
  changed_.notify_all();
  return !is_first || std::ranges::any_of(stages_, [](const Stage& stage) { return !stage.ready.empty() || !stage.waiting.empty(); });
}

std::exception_ptr BlockQueue::first_error() const {
  const std::lock_guard lock(mutex_);
  return first_error_;
}

}  // namespace espalier::exec
