#include "runtime/exec/selected.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/exec/choice.h"
#include "runtime/exec/views.h"

namespace espalier::exec {
namespace {

// All trajectories of a scored view that have a finite score.
SelectedTrajectories scored_trajectories(Context& context, const config::StageSpec& reward) {
  const auto& sampler = *context.spec.find(context.results.at(reward.tag).samples);
  const auto all = view_of(context, sampler.tag);
  const auto scores = all.scores(reward.tag);
  View::Rows rows;
  std::vector<double> finite;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) continue;
    rows.push_back(static_cast<std::int64_t>(i));
    finite.push_back(scores[i]);
  }
  if (rows.empty()) throw StageError("no sample of '" + sampler.tag + "' has a finite score of '" + reward.tag + "'");
  if (rows.size() < scores.size()) {
    context.progress.say(std::to_string(scores.size() - rows.size()) + " of " + std::to_string(scores.size()) + " samples of '" +
                         sampler.tag + "' have no finite score of '" + reward.tag + "' and train nothing");
  }
  return {all.part(rows), std::vector<double>(rows.size(), 1.0), std::move(finite), sampling_info(context, sampler)};
}

}  // namespace

SamplingInfo sampling_info(Context& context, const config::StageSpec& sampler) {
  const auto& phase = context.plans.at(sampler.tag).phases.back();
  return {sampler.type, sampler.keyed, phase, sampler.plugin.get<Sampler>().solver(phase)};
}

SelectedTrajectories trajectories_chosen_by(Context& context, const config::StageSpec& filter) {
  const auto& result = context.results.at(filter.tag);
  const auto& sampler = *context.spec.find(result.samples);
  auto selection = read_selection(context, result);
  const auto all = view_of(context, sampler.tag);
  View::Rows rows;
  for (const auto index : selection.index) {
    rows.push_back(std::lower_bound(all.index().begin(), all.index().end(), index) - all.index().begin());
  }
  auto view = all.part(rows);
  Choices choices(context);
  const auto& all_scores = choices.scores(filter);
  std::vector<double> score;
  for (const auto index : view.index()) score.push_back(all_scores.at(static_cast<std::size_t>(index)));
  return {std::move(view), std::move(selection.weight), std::move(score), sampling_info(context, sampler)};
}

std::optional<SelectedTrajectories> selected_trajectories(Context& context, const config::StageSpec& stage) {
  if (const auto* scores = stage.input("scores")) return scored_trajectories(context, *context.spec.find(scores->tags.front()));
  if (const auto* input = stage.input("selection")) return trajectories_chosen_by(context, *context.spec.find(input->tags.front()));
  return std::nullopt;
}

}  // namespace espalier::exec
