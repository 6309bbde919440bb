#include "runtime/exec/stages.h"

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/stop_notice.h"
#include "runtime/exec/blocks.h"
#include "runtime/exec/stage_context.h"

namespace espalier::exec {
namespace {

bool has_inputs(const Context& context, const config::StageSpec& stage) {
  return std::ranges::all_of(stage.inputs, [&](const auto& input) {
    return std::ranges::all_of(input.tags, [&](const std::string& tag) { return context.results.contains(tag); });
  });
}

// Returns the plans of the other stages that score the trajectories that the stage samples or scores.
std::vector<const plan::StagePlan*> scored_with(Context& context, const plan::StagePlan& plan) {
  std::vector<const plan::StagePlan*> plans;
  for (const auto& stage : context.spec.stages) {
    if (stage.tag == plan.stage->tag || stage.kind->gives != ResultKind::scores || context.results.contains(stage.tag)) continue;
    if (stage.input("samples")->tags.front() != plan.result->samples || !has_inputs(context, stage)) continue;
    const auto& other = plan_here(context, stage);
    if (other.action == plan::Action::run && other.probes.empty()) plans.push_back(&other);
  }
  return plans;
}

BlockWork block_work(Context& context, const plan::StagePlan& plan) {
  return with_stage_context(*plan.stage, [&] {
    return plan.stage->kind->gives == ResultKind::trajectories ? trajectory_work(context, plan) : score_work(context, plan);
  });
}

Work compute_together(Context& context, const plan::StagePlan& plan) {
  if (of_shard(plan.missing, context.options.shard).empty()) return {};
  std::vector<BlockWork> stages{block_work(context, plan)};
  if (plan.stage->kind->gives == ResultKind::trajectories) context.results.insert_or_assign(plan.stage->tag, *plan.result);
  for (const auto* other : scored_with(context, plan)) {
    if (!of_shard(other->missing, context.options.shard).empty()) stages.push_back(block_work(context, *other));
  }
  const auto work = compute_blocks(context, stages);
  for (std::size_t i = 1; i < stages.size(); ++i) context.scored_ahead[stages[i].plan->stage->tag] = work[i];
  return work.front();
}

Work compute(Context& context, const plan::StagePlan& plan) {
  stop_waits_for("stage '" + plan.stage->tag + "' to finish " + plan.stage->kind->stops_after);
  const auto gives = plan.stage->kind->gives;
  if (gives == ResultKind::trajectories || gives == ResultKind::scores) return compute_together(context, plan);
  const std::int64_t decoded_before = context.samples_decoded;
  const auto start = std::chrono::steady_clock::now();
  Work work;
  if (gives == ResultKind::selection) compute_selection(context, plan);
  if (gives == ResultKind::model) work = compute_model(context, plan);
  if (gives == ResultKind::findings) compute_findings(context, plan);
  work.samples_decoded = context.samples_decoded - decoded_before;
  work.seconds = seconds_since(start);
  return work;
}

}  // namespace

void plan_all(Context& context) {
  for (auto& plan : plan::make(context.spec, context.store, &context.folders)) {
    if (plan.pending.empty()) context.plans.emplace(plan.stage->tag, std::move(plan));
  }
  context.results = context.folders;
}

plan::StagePlan& plan_here(Context& context, const config::StageSpec& stage) {
  const auto known = context.plans.find(stage.tag);
  if (known != context.plans.end() && known->second.pending.empty() && plan::is_current(known->second, context.results)) {
    plan::look_up(context.spec, context.store, known->second);
    return known->second;
  }
  auto plan = plan::plan_stage(context.spec, stage, context.results, context.store);
  return context.plans.insert_or_assign(stage.tag, std::move(plan)).first->second;
}

Work compute_with_context(Context& context, const plan::StagePlan& plan) {
  return with_stage_context(*plan.stage, [&] { return compute(context, plan); });
}

std::string probe_with_context(Context& context, const plan::StagePlan& plan) {
  return with_stage_context(*plan.stage, [&] { return probe_blocks(context, plan); });
}

}  // namespace espalier::exec
