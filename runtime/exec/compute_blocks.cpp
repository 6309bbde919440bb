// Computes the missing blocks of stages of trajectories and scores.
#include <ATen/Parallel.h>

#include <algorithm>
#include <iterator>
#include <thread>

#include "runtime/base/errors.h"
#include "runtime/base/floating_point.h"
#include "runtime/exec/block_queue.h"
#include "runtime/exec/blocks.h"
#include "runtime/tensor/failure.h"

namespace espalier::exec {
namespace {

using Clock = std::chrono::steady_clock;

// The first stage's blocks come as the plan says. Scores of blocks that it samples wait for them.
std::vector<BlockQueue::Stage> blocks_of(const Context& context, const std::vector<BlockWork>& stages, bool first_samples) {
  const auto& sampled = stages.front().plan->missing;
  std::vector<BlockQueue::Stage> all;
  for (const auto& stage : stages) {
    auto& blocks = all.emplace_back();
    for (const auto block : of_shard(stage.plan->missing, context.options.shard)) {
      const bool waits = first_samples && &stage != &stages.front() && std::ranges::binary_search(sampled, block);
      (waits ? blocks.waiting : blocks.ready).insert(block);
    }
  }
  return all;
}

class BlockComputation {
 public:
  BlockComputation(Context& context, const std::vector<BlockWork>& stages)
      : context_(context),
        stages_(stages),
        first_samples_(stages.front().plan->stage->kind->gives == ResultKind::trajectories),
        work_(stages.size()),
        queue_(blocks_of(context, stages, first_samples_), first_samples_ ? std::optional<std::size_t>(0) : std::nullopt) {
    for (const auto& stage : stages_) makers_.push_back(plan::maker_of(context.spec, *stage.plan->stage));
  }

  std::vector<Work> run() {
    std::string label;
    std::int64_t samples = 0;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const auto& plan = *stages_[i].plan;
      work_[i].samples = std::ssize(of_shard(plan.missing, context_.options.shard)) * block_size(plan);
      samples += work_[i].samples;
      label += (label.empty() ? "" : ", ") + plan.stage->tag;
    }
    context_.progress.begin(label, samples, stages_.front().plan->stage->kind->from_examples ? "example" : "sample");
    run_threads();
    context_.progress.end();
    if (const auto error = queue_.first_error()) std::rethrow_exception(error);
    return work_;
  }

 private:
  std::int64_t block_size(const plan::StagePlan& plan) const { return plan::samples_stage(context_.spec, *plan.stage).sampler.block_size; }

  void run_threads() {
    std::vector<std::jthread> threads;
    std::vector<std::size_t> shared;
    std::int64_t workers = 0, shared_blocks = 0;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const auto blocks = work_[i].samples / block_size(*stages_[i].plan);
      if (const auto own = stages_[i].own_threads; own > 0) {
        for (std::int64_t n = 0; n < std::min<std::int64_t>(own, blocks); ++n) threads.emplace_back([this, i] { loop({i}); });
        continue;
      }
      workers = shared.empty() ? stages_[i].workers : std::min<std::int64_t>(workers, stages_[i].workers);
      shared_blocks += blocks;
      shared.push_back(i);
    }
    for (std::int64_t n = 0; n < std::min(workers, shared_blocks); ++n) threads.emplace_back([this, shared] { loop(shared); });
  }

  void loop(const std::vector<std::size_t>& stages) {
    at::set_num_threads(1);
    while (const auto task = queue_.take(stages)) {
      set_default_floating_point();  // an earlier call, or a library that it loaded, may have changed the environment
      compute(*task);
    }
  }

  void compute(const BlockQueue::Task& task) {
    const auto& spec = *stages_[task.stage].plan->stage;
    const Doing doing("stage '" + spec.tag + "' (" + spec.type + ")");
    try {
      context_.check_stop();
      const auto start = Clock::now();
      const auto& stage = stages_[task.stage];
      const auto computed = stage.compute(task.block);
      require_unchanged_models(context_, *stage.plan->stage);
      computed.publish({makers_[task.stage], seconds_since(start), computed.network_evaluations});
      note(task.stage, start, computed);
      queue_.done(task);
    } catch (const Stopped&) {
      queue_.failed(task, std::current_exception(), true);
    } catch (const CacheError&) {
      queue_.failed(task, std::current_exception(), true);
    } catch (...) {
      fail(task, std::current_exception());
    }
  }

  // The first error is thrown at the end, and reported at once as well if other blocks are still to come; every later one is only reported.
  void fail(const BlockQueue::Task& task, const std::exception_ptr& failure) {
    const auto error = plan::with_stage_context(*stages_[task.stage].plan->stage, failure, "block " + std::to_string(task.block));
    if (queue_.failed(task, std::make_exception_ptr(error), false)) context_.progress.say(error.what());
  }

  void note(std::size_t stage, Clock::time_point start, const ComputedBlock& computed) {
    const std::lock_guard lock(mutex_);
    auto& work = work_[stage];
    if (work.begun == Clock::time_point() || start < work.begun) work.begun = start;
    work.network_evaluations += computed.network_evaluations;
    work.samples_decoded += computed.samples_decoded;
    work.seconds = seconds_since(work.begun);
  }

  Context& context_;
  const std::vector<BlockWork>& stages_;
  bool first_samples_;
  std::vector<Work> work_;
  std::vector<cache::Maker> makers_;
  std::mutex mutex_;
  BlockQueue queue_;
};

}  // namespace

std::vector<std::uint64_t> of_shard(const std::vector<std::uint64_t>& blocks, const Shard& shard) {
  std::vector<std::uint64_t> mine;
  for (const auto block : blocks) {
    if (static_cast<std::int64_t>(block % static_cast<std::uint64_t>(shard.count)) == shard.number - 1) mine.push_back(block);
  }
  return mine;
}

std::vector<Work> compute_blocks(Context& context, const std::vector<BlockWork>& stages) { return BlockComputation(context, stages).run(); }

}  // namespace espalier::exec
