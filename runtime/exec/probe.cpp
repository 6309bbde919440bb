// Reuse across builds and machines: part of a block that another maker computed is computed again here and compared.
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <limits>

#include "runtime/base/errors.h"
#include "runtime/base/stop_notice.h"
#include "runtime/exec/blocks.h"

namespace espalier::exec {
namespace {

std::vector<Recomputed> recompute(Context& context, const plan::StagePlan& plan, std::uint64_t block) {
  return plan.stage->kind->gives == ResultKind::scores ? recompute_scores(context, plan, block)
                                                       : recompute_trajectories(context, plan, block);
}

std::string what_to_do(const cache::Maker& here, const cache::Maker& other, const std::string& type) {
  const std::string elsewhere = "use another cache folder (cache.path)";
  if (!other.build().empty() && here.libraries == other.libraries) return elsewhere + ", or go on where the set was made";
  return "if the maths changed, raise the numerics_version of " + type + ", so that its keys change, and rebuild; otherwise " + elsewhere +
         " or the build that made the set";
}

[[noreturn]] void refuse(const plan::StagePlan& plan, const cache::Probe& probe, const std::string& what) {
  const auto& stage = *plan.stage;
  const auto tolerance = probe.tolerance == 0.0 ? "the bits must be equal" : fmt::format("its tolerance is {}", probe.tolerance);
  throw CacheError(
      fmt::format("{}: stage '{}': block {} of {} in the cache is of {}, and computed again here {} differs by {:.3g} of its largest value "
                  "({}); nothing of it is used or added to: {}",
                  stage.where.to_string(), stage.tag, probe.block, plan.key, plan::maker_difference(probe.maker, probe.against), what,
                  probe.difference, tolerance, what_to_do(probe.maker, probe.against, stage.type)));
}

// Returns the outcome in words.
std::string probe_block(Context& context, const plan::StagePlan& plan, const plan::PendingProbe& pending) {
  const auto& stage = *plan.stage;
  cache::Probe probe{plan::maker_of(context.spec, stage), pending.against, pending.block, 0, 0.0, stage.plugin->probe_tolerance()};
  context.progress.say(fmt::format("stage '{}': block {} is of {}; a part of it is computed again", stage.tag, probe.block,
                                   plan::maker_difference(probe.maker, probe.against)));
  const auto parts = recompute(context, plan, probe.block);
  require_unchanged_models(context, stage);
  for (const auto& part : parts) {
    const auto difference = relative_difference(part);
    probe.samples = part.stored.size(0);
    probe.difference = std::max(probe.difference, difference);
    if (!(difference <= probe.tolerance)) refuse(plan, probe, part.what);
  }
  const auto score_id = stage.kind->gives == ResultKind::scores ? plan.key : "";
  context.store.record_probe(plan.result->set_id, score_id, probe);
  if (probe.difference == 0.0) return fmt::format("; {} samples of it computed again were equal", probe.samples);
  return fmt::format("; {} samples of it computed again differed by {:.3g} of the largest value (tolerance {})", probe.samples,
                     probe.difference, probe.tolerance);
}

}  // namespace

double relative_difference(const Recomputed& numbers) {
  if (!numbers.again.defined() || numbers.stored.sizes() != numbers.again.sizes() ||
      numbers.stored.scalar_type() != numbers.again.scalar_type()) {
    return std::numeric_limits<double>::infinity();
  }
  if (numbers.stored.numel() == 0) return 0.0;
  const auto stored = numbers.stored.to(at::kDouble), again = numbers.again.to(at::kDouble);
  const auto same = stored.eq(again).logical_or(stored.ne(stored).logical_and(again.ne(again)));
  const auto zero = at::zeros_like(stored);
  const auto largest = at::where(same, zero, (stored - again).abs()).max().item<double>();
  if (largest == 0.0) return 0.0;
  const auto scale = at::where(at::isfinite(stored), stored.abs(), zero).max().item<double>();
  const auto relative = largest / scale;
  return std::isfinite(relative) ? relative : std::numeric_limits<double>::infinity();
}

std::string probe_blocks(Context& context, const plan::StagePlan& plan) {
  std::string outcome;
  for (const auto& pending : plan.probes) {
    context.check_stop();
    stop_waits_for("the probe of stage '" + plan.stage->tag + "'");
    outcome += probe_block(context, plan, pending);
  }
  return outcome;
}

}  // namespace espalier::exec
