#include "runtime/exec/blocks.h"

#include <atomic>

#include "runtime/base/errors.h"

namespace espalier::exec {

void KeepSteps::record(const diffusion::GridPoint& point, const State& recorded) {
  check_.record(point, recorded);
  const auto state = watch_ ? watch_->watch(point, recorded) : recorded;
  if (!wanted_.contains(point.steps_remaining)) return;
  auto& kept = kept_[point.steps_remaining];
  kept.step = point.steps_remaining;
  kept.timestep = point.timestep;
  kept.alpha = point.level.alpha;
  kept.sigma = point.level.sigma;
  for (const auto& [name, tensor] : state) kept.state[name] = tensor.to(at::kCPU).clone();
}

const std::map<std::int64_t, cache::Block::Recorded>& KeepSteps::kept() const {
  check_.end();
  for (const auto step : wanted_) {
    if (!kept_.contains(step)) throw StageError("the stage recorded no state with " + std::to_string(step) + " steps remaining");
  }
  return kept_;
}

std::set<std::int64_t> recorded_steps(Context& context, const plan::StagePlan& plan, std::uint64_t block) {
  const auto blocks = context.store.blocks(plan.key);
  const auto found = blocks.find(block);
  if (found == blocks.end()) throw_quarantined({}, "block " + std::to_string(block) + " of stage '" + plan.stage->tag + "'");
  return found->second.steps;
}

std::vector<Recomputed> compare(const cache::Block& stored, const std::map<std::int64_t, cache::Block::Recorded>& again,
                                std::int64_t rows) {
  std::vector<Recomputed> pairs;
  for (const auto& recorded : stored.steps) {
    const auto& state = again.at(recorded.step).state;
    for (const auto& [name, tensor] : recorded.state) {
      const auto found = state.find(name);
      pairs.push_back({"'" + name + "' with " + std::to_string(recorded.step) + " steps remaining", tensor.narrow(0, 0, rows),
                       found == state.end() ? at::Tensor() : found->second});
    }
  }
  return pairs;
}

namespace {

std::vector<std::uint64_t> of_shard(const std::vector<std::uint64_t>& blocks, const Shard& shard) {
  std::vector<std::uint64_t> mine;
  for (const auto block : blocks) {
    if (static_cast<std::int64_t>(block % static_cast<std::uint64_t>(shard.count)) == shard.number - 1) mine.push_back(block);
  }
  return mine;
}

// Runs one block's work; its errors name the block. If several blocks fail at once, the first error ends the stage and this function
// reports the others.
void run_block(Context& context, const config::StageSpec& stage, std::uint64_t block, std::atomic<bool>& failed,
               const std::function<void()>& work) {
  try {
    work();
  } catch (const Stopped&) {
    throw;
  } catch (const CacheError&) {
    throw;
  } catch (...) {
    const auto error = plan::with_stage_context(stage, std::current_exception(), "block " + std::to_string(block));
    if (failed.exchange(true)) context.progress.say(error.what());
    throw error;
  }
}

}  // namespace

Work compute_blocks(Context& context, const plan::StagePlan& plan, const std::string& noun, int workers,
                    const std::function<ComputedBlock(std::uint64_t block)>& compute) {
  const auto blocks = of_shard(plan.missing, context.options.shard);
  const auto block_size = plan::samples_stage(context.spec, *plan.stage).sampler.block_size;
  const auto samples = static_cast<std::int64_t>(blocks.size()) * block_size;
  const auto maker = plan::maker_of(context.spec, *plan.stage);
  std::atomic<std::int64_t> evaluations{0};
  std::atomic<bool> failed{false};
  context.progress.begin(plan.stage->tag, samples, noun);
  for_each_parallel(blocks.size(), workers, [&](std::size_t i) {
    run_block(context, *plan.stage, blocks[i], failed, [&] {
      context.check_stop();
      const auto start = std::chrono::steady_clock::now();
      const auto computed = compute(blocks[i]);
      require_unchanged_models(context, *plan.stage);
      computed.publish({maker, seconds_since(start), computed.network_evaluations});
      evaluations += computed.network_evaluations;
    });
  });
  context.progress.end();
  return {samples, evaluations};
}

}  // namespace espalier::exec
