#include "runtime/exec/what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/exec/acceptance.h"
#include "runtime/exec/choice.h"
#include "runtime/exec/context.h"
#include "runtime/exec/stage_context.h"
#include "runtime/exec/stages.h"

namespace espalier::exec {
namespace {

// The stages of these tags, and all that they depend on, in the pipeline's order.
config::PipelineSpec needed_by(const config::PipelineSpec& spec, std::set<std::string> tags) {
  auto part = spec;
  part.stages.clear();
  for (auto stage = spec.stages.rbegin(); stage != spec.stages.rend(); ++stage) {  // inputs stand before
    if (!tags.contains(stage->tag)) continue;
    for (const auto& input : stage->inputs) tags.insert(input.tags.begin(), input.tags.end());
    part.stages.insert(part.stages.begin(), *stage);
  }
  return part;
}

bool is_filter(const config::StageSpec& stage) { return stage.kind->gives == ResultKind::selection; }

void check_judges(const config::PipelineSpec& spec, const std::vector<std::string>& judges) {
  std::vector<std::string> rewards;
  for (const auto& stage : spec.stages) {
    if (stage.kind->gives == ResultKind::scores) rewards.push_back(stage.tag);
  }
  for (const auto& tag : judges) {
    if (std::ranges::find(rewards, tag) == rewards.end())
      throw ConfigError(fmt::format("{}: --judge {}: no reward stage has this tag{}", spec.origin, tag, did_you_mean(tag, rewards)));
  }
}

// Plans the stages that filters depend on. Throws StageError where the cache lacks one of their results.
void find_scores(Context& context) {
  for (const auto& stage : context.spec.stages) {
    if (is_filter(stage)) continue;
    const auto& plan = plan_here(context, stage);
    if (!plan.pending.empty() || (stage.kind->gives != ResultKind::trajectories && plan.action != plan::Action::reuse) || !plan.result) {
      throw StageError(fmt::format("{}: stage '{}' is not complete in the cache ({}); run the pipeline first", stage.where.to_string(),
                                   stage.tag, plan.because));
    }
    context.results.insert_or_assign(stage.tag, *plan.result);
  }
}

double mean(const std::vector<double>& values) {
  double sum = 0.0, count = 0.0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  return sum / count;
}

// Of the accepted samples with a finite value, by their weights.
double mean_of(const Selection& accepted, const std::vector<double>& values) {
  double sum = 0.0, weights = 0.0;
  for (std::size_t i = 0; i < accepted.index.size(); ++i) {
    const double value = values.at(static_cast<std::size_t>(accepted.index[i]));
    if (!std::isfinite(value)) continue;
    sum += accepted.weight[i] * value;
    weights += accepted.weight[i];
  }
  return sum / weights;
}

}  // namespace

std::vector<WhatIf> what_if(const config::PipelineSpec& spec, cache::Store& store, Progress& progress, const StopToken& stop,
                            const RunOptions& options, const std::vector<std::string>& judges) {
  check_judges(spec, judges);
  std::set<std::string> tags(judges.begin(), judges.end());
  for (const auto& stage : spec.stages) {
    if (is_filter(stage)) tags.insert(stage.tag);
  }
  const auto part = needed_by(spec, std::move(tags));
  Context context{part, store, progress, stop, options, at::kCPU};
  plan_all(context);
  find_scores(context);
  Choices choices(context);
  std::vector<WhatIf> found;
  for (const auto& stage : part.stages) {
    if (!is_filter(stage)) continue;
    context.check_stop();
    with_stage_context(stage, [&] {
      const auto& choice = choices.of(stage);
      WhatIf row;
      row.stage = spec.find(stage.tag);
      row.accepted = std::ssize(choice.accepted.index);
      row.total = choice.total;
      row.none_accepted = acceptance_by_condition(context, stage, choice.accepted).none_accepted;
      row.law = choice.law;
      row.accepted_score = mean_of(choice.accepted, choices.scores(stage));
      row.mean_score = mean(choices.scores(stage));
      const auto& samples = context.results.at(stage.input("scores")->tags.front()).samples;
      for (const auto& judge : judges) {
        if (context.results.at(judge).samples != samples) {
          throw ConfigError(fmt::format("--judge {} scores the samples of '{}', but the filter chooses among those of '{}'", judge,
                                        context.results.at(judge).samples, samples));
        }
        const auto& scores = choices.scores_of(judge);
        row.judges.push_back({judge, mean_of(choice.accepted, scores), mean(scores)});
      }
      found.push_back(std::move(row));
    });
  }
  return found;
}

}  // namespace espalier::exec
