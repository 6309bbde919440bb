#include "runtime/plan/estimate.h"

#include "runtime/tensor/spec.h"

namespace espalier::plan {
namespace {

// Networks of equal structure cost the same, whatever their weights and the schedule.
Value::List architectures(const Value& recipe) {
  Value::List found;
  for (const auto& phase : recipe.at("phases").as_list()) {
    for (const auto& segment : phase.at("segments").as_list()) {
      const auto& architecture = segment.at("architecture");
      if (found.empty() || found.back() != architecture) found.push_back(architecture);
    }
  }
  return found;
}

std::optional<double> seconds_per_evaluation(const Value& recipe, const cache::Index& index) {
  double seconds = 0;
  std::int64_t evaluations = 0;
  const auto wanted = architectures(recipe);
  for (const auto& other : index.requests("trajectories")) {
    if (architectures(other) != wanted) continue;
    for (const auto& [block, status] : index.blocks(digest(other))) {
      seconds += status.total.seconds;
      evaluations += status.total.network_evaluations;
    }
  }
  if (evaluations == 0) return std::nullopt;
  return seconds / static_cast<double>(evaluations);
}

}  // namespace

void estimate_trajectories(std::int64_t evaluations, const cache::Index& index, StagePlan& plan) {
  const auto block_size = plan.stage->sampler.block_size;
  const auto state_bytes = tensor::bytes_of(plan.result->codec->spec());
  plan.network_evaluations = plan.samples_to_compute * evaluations;
  for (const auto& [block, steps] : plan.missing_steps) plan.bytes += static_cast<std::int64_t>(steps.size()) * block_size * state_bytes;
  if (plan.missing.empty()) return;
  if (const auto cost = seconds_per_evaluation(plan.request, index)) plan.seconds = *cost * static_cast<double>(plan.network_evaluations);
}

void estimate_scores(const std::map<std::uint64_t, cache::CommitInfo>& have, StagePlan& plan) {
  if (have.empty() || plan.missing.empty()) return;
  double seconds = 0;
  for (const auto& [block, commit] : have) seconds += commit.seconds;
  plan.seconds = seconds / static_cast<double>(have.size()) * static_cast<double>(plan.missing.size());
}

}  // namespace espalier::plan
