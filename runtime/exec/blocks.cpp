#include "runtime/exec/blocks.h"

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

}  // namespace espalier::exec
