#include "runtime/plan/predict_result.h"

namespace espalier::plan {
namespace {

std::optional<ModelInfo> predict_model(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& inputs) {
  const auto result_of = [&](const char* name) {
    const auto* input = stage.input(name);
    return input ? &inputs.at(input->tags.front()) : nullptr;
  };
  const auto* start = result_of("model");
  const auto* selection = result_of(stage.input("scores") ? "scores" : "selection");
  const auto* noises = result_of("examples");
  const auto corrected = noises ? std::optional(corrects(spec, *noises, inputs)) : std::nullopt;
  try {
    return stage.plugin.get<Trainer>().trained_info(start ? start->model : ModelInfo(), selection ? &selection->grid : nullptr, corrected);
  } catch (...) {
    throw with_stage_context(stage, std::current_exception());
  }
}

}  // namespace

CorrectedSampling corrects(const config::PipelineSpec& spec, const Result& noises, const Results& results) {
  const auto& base = results.at(spec.find(noises.samples)->input("model")->tags.front());
  return {base.digest, noises.grid.num_steps()};
}

std::optional<Result> predict_result(const config::PipelineSpec& spec, const StagePlan& plan, const Results& inputs) {
  if (plan.result || !plan.pending.empty()) return plan.result;
  const auto& stage = *plan.stage;
  auto result = plan.unmade;
  if (stage.kind->gives == ResultKind::model) {
    const auto info = predict_model(spec, stage, inputs);
    if (!info) return std::nullopt;
    result.model = *info;
    result.model.digest = plan.key;
    if (!info->adapter.empty()) result.model.adapter = plan.key;
  }
  result.key = result.digest = plan.key;
  return result;
}

}  // namespace espalier::plan
