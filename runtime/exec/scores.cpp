// Scoring: computes a reward's scores for each block of a view.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>

#include "runtime/base/errors.h"
#include "runtime/exec/blocks.h"
#include "runtime/exec/measure.h"
#include "runtime/exec/views.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

template <class T>
std::vector<T> slice(const std::vector<T>& all, std::int64_t first, std::int64_t count) {
  return {all.begin() + first, all.begin() + first + count};
}

// The data of a reward stage that its blocks share.
struct Scoring {
  Context& context;
  Reward& reward;
  std::string type;  // the reward's
  const plan::Result& samples;
  Conditions conditions;

  Scoring(Context& context_in, const plan::StagePlan& plan)
      : context(context_in),
        reward(plan.stage->plugin.get<Reward>()),
        type(plan.stage->type),
        samples(context.results.at(plan.stage->input("samples")->tags.front())),
        conditions(context.spec.conditions(plan::samples_stage(context.spec, *plan.stage))) {
    const auto* model = plan.stage->input("model");
    // The reward is opened once, even if a probe has opened it before.
    const auto loaded = model ? context.model(model->tags.front()) : nullptr;
    if (context.opened_rewards.insert(digest(Value::List{plan.stage->tag, plan.key})).second)
      reward.open({*context.spec.domain, loaded, context.stage_context()});
    check_unchanged(context, plan);
  }

  // Returns the scores of a block; NaN for an excluded sample. Counts the samples that it decoded.
  std::vector<double> block(std::uint64_t number, std::atomic<std::int64_t>& samples_decoded) const {
    const auto block = block_states(context, samples, number, 0);
    std::vector<double> scores(block->condition.size(), std::numeric_limits<double>::quiet_NaN());
    const auto decoded = decoded_block(context, samples, number, &samples_decoded);
    const auto& rows = decoded->rows;
    if (rows.empty()) return scores;
    const auto first_index = static_cast<std::int64_t>(number) * std::ssize(scores);
    std::vector<Value> metadata;
    std::vector<std::string> text;
    for (const auto row : rows) {
      const auto condition = block->condition.at(static_cast<std::size_t>(row));
      metadata.push_back(conditions.metadata.at(condition));
      text.push_back(conditions.text.at(condition));
    }
    const at::NoGradGuard no_grad;
    const auto most = reward.batch_size() > 0 ? reward.batch_size() : std::ssize(rows);
    for (std::int64_t first = 0; first < std::ssize(rows); first += most) {
      const auto size = std::min(most, std::ssize(rows) - first);
      const auto sample = rows_of(decoded->sample, View::range(first, size));  // a copy, which the reward may change
      const auto batch_metadata = slice(metadata, first, size);
      const auto batch_text = slice(text, first, size);
      std::vector<std::int64_t> index;
      for (std::int64_t i = first; i < first + size; ++i) index.push_back(first_index + rows[static_cast<std::size_t>(i)]);
      const auto given = reward.score({sample, batch_metadata, batch_text, index});
      check_scores(type, given, size);
      const auto score = given.to(at::kCPU).to(at::kDouble).contiguous();
      for (std::int64_t i = 0; i < size; ++i) {
        scores[static_cast<std::size_t>(rows[static_cast<std::size_t>(first + i)])] = score.const_data_ptr<double>()[i];
      }
    }
    return scores;
  }
};

std::vector<double> read_block_scores(Context& context, const plan::Result& scores, const std::string& tag, std::uint64_t block) {
  std::vector<cache::Damage> damage;
  auto found = context.store.read_scores(scores.set_id, scores.key, block, &damage);
  if (!found || found->empty()) throw_quarantined(damage, "scores of block " + std::to_string(block) + " of stage '" + tag + "'");
  return std::move(*found);
}

}  // namespace

BlockWork score_work(Context& context, const plan::StagePlan& plan) {
  const auto job = std::make_shared<const Scoring>(context, plan);
  const auto own_threads = job->reward.own_threads();
  return {&plan, own_threads, own_threads > 0 ? 0 : workers_that_fit(context, plan), [&context, &plan, job](std::uint64_t number) {
            std::atomic<std::int64_t> decoded = 0;
            const auto scores = job->block(number, decoded);
            context.progress.advance(static_cast<std::int64_t>(scores.size()));
            return ComputedBlock{0, decoded, [&context, &plan, job, number, scores](const cache::Provenance& provenance) {
                                   context.store.publish_scores(job->samples.set_id, plan.key, plan.request, number, scores, provenance);
                                 }};
          }};
}

std::vector<Recomputed> recompute_scores(Context& context, const plan::StagePlan& plan, std::uint64_t block) {
  const auto tensor = [](const std::vector<double>& scores) { return at::tensor(scores, at::kDouble); };
  const auto stored = read_block_scores(context, *plan.result, plan.stage->tag, block);
  const Scoring job(context, plan);
  std::vector<double> again;
  std::atomic<std::int64_t> decoded = 0;
  for_each_parallel(1, 1, [&](std::size_t) { again = job.block(block, decoded); });
  return {{"the score", tensor(stored), tensor(again)}};
}

std::vector<double> read_view_scores(Context& context, const std::string& tag) {
  const auto& result = context.results.at(tag);
  std::vector<double> scores;
  for (std::uint64_t block = 0; static_cast<std::int64_t>(scores.size()) < result.count; ++block) {
    const auto found = read_block_scores(context, result, tag, block);
    scores.insert(scores.end(), found.begin(), found.end());
  }
  scores.resize(static_cast<std::size_t>(result.count));
  return scores;
}

}  // namespace espalier::exec
