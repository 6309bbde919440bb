#include "runtime/exec/finished.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/exec/context.h"
#include "runtime/exec/device.h"
#include "runtime/exec/stage_context.h"
#include "runtime/exec/stages.h"
#include "runtime/exec/views.h"

namespace espalier::exec {
namespace {

void require_samples(const config::PipelineSpec& spec, const config::StageSpec& stage) {
  if (stage.kind->samples()) return;
  std::string tags;
  for (const auto& other : spec.stages) {
    if (other.kind->samples()) tags += (tags.empty() ? "" : ", ") + other.tag;
  }
  throw ConfigError(fmt::format("{}: stage '{}': {} gives no samples; stages that do: {}", stage.where.to_string(), stage.tag, stage.type,
                                tags.empty() ? "none" : tags));
}

// Plans the stages up to this one from what the cache holds. Returns the plan of this one.
const plan::StagePlan& plan_up_to(Context& context, const config::StageSpec& stage) {
  for (const auto& other : context.spec.stages) {
    const auto& plan = plan_here(context, other);
    if (plan.result) context.results.insert_or_assign(other.tag, *plan.result);
    if (&other == &stage) return plan;
  }
  throw InternalError("'" + stage.tag + "' is no stage of the pipeline");
}

std::string lacking(const Context& context, const plan::StagePlan& plan) {
  if (!plan.pending.empty()) return plan.because;
  const auto have = context.store.blocks(plan.result->set_id);
  std::int64_t missing = 0;
  for (std::int64_t block = 0; block < plan.blocks; ++block) {
    if (!have.contains(static_cast<std::uint64_t>(block))) ++missing;  // every block that is there holds the sample
  }
  return missing == 0 ? "" : fmt::format("{} of {} blocks are missing", missing, plan.blocks);
}

}  // namespace

std::string use_finished_samples(const config::PipelineSpec& spec, cache::Store& store, Progress& progress, const StopToken& stop,
                                 const RunOptions& options, const config::StageSpec& stage,
                                 const std::function<void(const FinishedSamples&)>& use) {
  require_samples(spec, stage);
  Context context{spec, store, progress, stop, options, at::kCPU};
  plan_all(context);
  const auto& plan = plan_up_to(context, stage);
  if (auto what = lacking(context, plan); !what.empty()) return what;
  context.device = open_device(spec.device);
  with_stage_context(stage, [&] {
    const auto& result = context.results.at(stage.tag);
    use({view_of(context, stage.tag), spec.conditions(stage), result.set_id, digest(result.decoder), result.count});
  });
  return "";
}

}  // namespace espalier::exec
