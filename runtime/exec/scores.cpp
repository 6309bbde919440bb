// Scoring: a reward's numbers for each block of a view.
#include <ATen/core/grad_mode.h>

#include "runtime/base/errors.h"
#include "runtime/exec/blocks.h"
#include "runtime/exec/device.h"

namespace espalier::exec {
namespace {

std::vector<double> score_block(const Context& context, const Reward& reward, const Conditions& conditions, const cache::Block& block) {
  const auto sample = context.spec.domain->decode(block.steps.front().state);
  std::vector<Value> facts;
  std::vector<std::string> text;
  for (const auto condition : block.condition) {
    facts.push_back(conditions.facts.at(condition));
    text.push_back(conditions.text.at(condition));
  }
  const at::NoGradGuard no_grad;
  const auto score = reward.score({sample, facts, text}).to(at::kCPU).to(at::kDouble).contiguous();
  if (score.dim() != 1 || score.size(0) != static_cast<std::int64_t>(block.index.size())) {
    throw StageError("the reward gave " + std::to_string(score.numel()) + " scores for " + std::to_string(block.index.size()) + " samples");
  }
  return {score.const_data_ptr<double>(), score.const_data_ptr<double>() + score.size(0)};
}

}  // namespace

Work compute_scores(Context& context, const plan::StagePlan& plan) {
  auto& reward = dynamic_cast<Reward&>(*plan.stage->plugin);
  const auto* model_input = plan.stage->input("model");
  reward.open({*context.spec.domain, model_input ? context.model(model_input->tags.front()) : nullptr});
  const auto& samples = context.results.at(plan.stage->input("samples")->tags.front());
  const auto conditions = context.spec.conditions(plan::samples_stage(context.spec, *plan.stage));
  const auto blocks = of_shard(plan.missing, context.options.shard);
  const auto block_size = plan::samples_stage(context.spec, *plan.stage).sampler.block_size;
  context.progress.begin(plan.stage->tag, static_cast<std::int64_t>(blocks.size()) * block_size, "sample");
  for_each_parallel(blocks.size(), context.workers(), [&](std::size_t i) {
    context.check_stop();
    const auto start = std::chrono::steady_clock::now();
    const auto scores = score_block(context, reward, conditions, read_steps(context, samples, blocks[i], {0}));
    context.store.publish_scores(samples.set_id, plan.key, plan.request, blocks[i], scores,
                                 {numerics_class(context.device, 1), seconds_since(start), 0});
    context.progress.advance(block_size);
  });
  context.progress.end();
  return {static_cast<std::int64_t>(blocks.size()) * block_size, 0};
}

std::vector<double> read_view_scores(Context& context, const std::string& tag) {
  const auto& result = context.results.at(tag);
  std::vector<double> scores;
  for (std::uint64_t block = 0; static_cast<std::int64_t>(scores.size()) < result.count; ++block) {
    std::vector<cache::Damage> damage;
    const auto found = context.store.read_scores(result.set_id, result.key, block, &damage);
    if (!found || found->empty()) throw_set_aside(damage, "scores of block " + std::to_string(block) + " of stage '" + tag + "'");
    scores.insert(scores.end(), found->begin(), found->end());
  }
  scores.resize(static_cast<std::size_t>(result.count));
  return scores;
}

}  // namespace espalier::exec
