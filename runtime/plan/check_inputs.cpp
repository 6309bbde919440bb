#include "runtime/plan/check_inputs.h"

#include <algorithm>
#include <utility>

#include "runtime/plan/plan.h"

namespace espalier::plan {
namespace {

PlannedView view_of(const config::PipelineSpec& spec, const std::string& tag, const Result& result) {
  PlannedView view;
  view.tag = tag;
  view.size = result.count;
  view.codec = result.codec;
  view.samples = result.samples;
  view.num_steps = result.grid.num_steps();
  const auto& source = *spec.find(result.samples);
  if (const auto* start = source.input("start")) {
    view.start = start->tags.front();
    view.start_step = source.sampler.start_step.of(view.num_steps);
  }
  if (source.kind->from_examples) return view;
  view.samples_per_condition = source.sampler.samples_per_condition;
  view.conditions = spec.conditions_digest(source);
  view.metadata = spec.conditions(source).metadata;
  return view;
}

const ModelInfo* model_of(const config::StageSpec& stage, const Results& predicted) {
  const auto* input = stage.input("model");
  return input ? &predicted.at(input->tags.front()).model : nullptr;
}

PlannedInputs inputs_of(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& predicted) {
  PlannedInputs inputs{{}, model_of(stage, predicted), *spec.domain};
  for (const auto& input : stage.inputs) {
    if (input.info.takes == ResultKind::model) continue;
    for (const auto& tag : input.tags) inputs.views[input.info.name].push_back(view_of(spec, tag, predicted.at(tag)));
  }
  return inputs;
}

// Lets a trainer check the models of the sampler whose trajectories it trains on.
void check_trainer(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& predicted) {
  const auto* input = stage.input("scores") ? stage.input("scores") : stage.input("selection");
  if (input == nullptr || stage.input("model") == nullptr) return;
  const auto& sampler = *spec.find(predicted.at(input->tags.front()).samples);
  const auto& models = sampler.input("model")->tags;
  if (!std::ranges::all_of(models, [&](const auto& tag) { return predicted.contains(tag); })) return;
  stage.plugin.get<Trainer>().check_sampling(*model_of(stage, predicted), models_of(sampler, predicted));
}

void check_by_plugin(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& predicted) {
  if (const auto* reward = stage.plugin.get_if<Reward>()) reward->check_model(model_of(stage, predicted));
  if (const auto* metric = stage.plugin.get_if<Metric>()) metric->check_inputs(inputs_of(spec, stage, predicted));
  if (stage.plugin.get_if<Trainer>() != nullptr) check_trainer(spec, stage, predicted);
  if (const auto* filter = stage.plugin.get_if<Filter>()) {
    const auto& tag = stage.input("scores")->tags.front();
    filter->check_view(view_of(spec, tag, predicted.at(tag)));
  }
}

}  // namespace

void check_models(const config::StageSpec& stage, const Results& results) {
  for (const auto& input : stage.inputs) {
    const auto& info = input.info;
    if (info.takes != ResultKind::model) continue;
    for (const auto& tag : input.tags) {
      const auto& model = results.at(tag).model;
      const auto place = "the input '" + info.name + "' names '" + tag + "', ";
      if (!info.of.empty() && model.role != info.of) throw ConfigError(place + "a " + model.role + ", not a " + info.of);
      if (info.process.empty()) continue;
      const auto process = diffusion::make_process(model.process, "the model '" + tag + "'")->name();
      if (process != info.process) throw ConfigError(place + "a model of the process '" + process + "', not '" + info.process + "'");
    }
  }
}

void check_inputs(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& predicted) {
  for (const auto& input : stage.inputs) {
    const auto known = [&](const std::string& tag) { return predicted.contains(tag); };
    if (!std::all_of(input.tags.begin(), input.tags.end(), known)) return;
  }
  try {
    check_by_plugin(spec, stage, predicted);
  } catch (...) {
    throw with_stage_context(stage, std::current_exception());
  }
}

void check_scored_set(const Value& identity, const Result& samples) {
  const auto* scored = identity.is_map() ? identity.find("scored_set") : nullptr;
  if (scored == nullptr) return;
  const auto of = "of '" + samples.samples + "'";
  const auto& set = scored->at("set").as_string();
  if (set != samples.set_id) {
    throw ConfigError("its scores are of the set " + set.substr(0, 12) + ", but the samples " + of + " are the set " +
                      samples.set_id.substr(0, 12) +
                      " (other conditions, another model, seed or option): export these and import their scores");
  }
  if (scored->at("decoder").as_string() != digest(samples.decoder)) {
    throw ConfigError("its scores are of the same trajectories as those " + of +
                      ", but these are decoded differently (another autoencoder or domain): export these and import their scores");
  }
  if (const auto count = scored->at("count").as_integer(); count < samples.count) {
    throw ConfigError("its scores are of the first " + std::to_string(count) + " samples " + of + ", which are now " +
                      std::to_string(samples.count) + ": export these and import their scores, or take fewer (samples_per_condition)");
  }
}

}  // namespace espalier::plan
