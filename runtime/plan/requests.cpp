#include "runtime/plan/requests.h"

#include "runtime/base/errors.h"

namespace espalier::plan {
namespace {

constexpr std::int64_t kFormat = 1;

Value plugin_value(const config::StageSpec& stage) {
  return Value::Map{{"type", stage.type}, {"numerics_version", stage.numerics_version}, {"options", stage.keyed}};
}

Value spec_value(const StateSpec& spec) {
  Value fields;
  for (const auto& [name, field] : spec) {
    Value::List shape(field.shape.begin(), field.shape.end());
    fields[name] = Value::Map{{"shape", std::move(shape)}, {"dtype", c10::toString(field.dtype)}};
  }
  return fields;
}

const std::string& first_tag(const config::StageSpec& stage, const std::string& port) { return stage.input(port)->tags.front(); }

Value models_value(const ModelInfo& model) {
  return Value::Map{{"weights", model.digest}, {"architecture", model.architecture}, {"process", model.process}};
}

}  // namespace

Result domain_result(const config::PipelineSpec& spec) {
  const auto folder = spec.domain->model_folder();
  if (folder.empty()) {
    throw ConfigError(spec.origin +
                      ": [domain]: a stage takes the model \"domain\", but the domain's options name no model; set domain.options.model");
  }
  Result result;
  result.kind = ResultKind::model;
  result.model = spec.domain->model_info(folder);
  result.digest = result.model.digest;
  return result;
}

std::vector<ModelInfo> models_of(const config::StageSpec& stage, const Results& results) {
  std::vector<ModelInfo> models;
  for (const auto& tag : stage.input("model")->tags) models.push_back(results.at(tag).model);
  return models;
}

Value recipe(const config::PipelineSpec& spec, const config::StageSpec& stage, const std::vector<Phase>& phases) {
  const auto conditions = spec.conditions(stage);
  auto options = stage.keyed.as_map();
  for (const char* name : {"split", "max_conditions"}) options.erase(name);  // the conditions' content says it
  Value::List phase_values;
  for (const auto& phase : phases) phase_values.push_back(phase.to_value());
  return Value::Map{
      {"format", kFormat},
      {"random", random::kGeneratorId},
      {"seed", spec.seed},
      {"sampler", Value::Map{{"type", stage.type}, {"numerics_version", stage.numerics_version}, {"options", std::move(options)}}},
      {"phases", std::move(phase_values)},
      {"conditions", conditions.digest()},
      {"condition_count", conditions.size()},
      {"state", spec_value(spec.domain->state_spec())},
  };
}

Value scores_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  const auto& reward = dynamic_cast<const Reward&>(*stage.plugin);
  Value request = Value::Map{
      {"set", results.at(first_tag(stage, "samples")).set_id},
      {"decoder", spec.domain->decoder()},
      {"reward", plugin_value(stage)},
      {"identity", reward.identity()},
  };
  if (stage.input("model")) request["model"] = results.at(first_tag(stage, "model")).digest;
  return request;
}

Value selection_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  const auto& scores = results.at(first_tag(stage, "scores"));
  return Value::Map{
      {"scores", scores.digest}, {"set", scores.set_id}, {"count", scores.count}, {"filter", plugin_value(stage)}, {"seed", spec.seed},
  };
}

Value model_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  const auto& trainer = dynamic_cast<const Trainer&>(*stage.plugin);
  Value request = Value::Map{
      {"model", models_value(results.at(first_tag(stage, "model")).model)},
      {"trainer", plugin_value(stage)},
      {"seed", spec.seed},
  };
  if (stage.input("selection")) {
    const auto& selection = results.at(first_tag(stage, "selection"));
    request["selection"] = Value::Map{{"digest", selection.digest}, {"set", selection.set_id}};
  } else {
    request["examples"] = trainer.identity(*spec.domain);
  }
  return request;
}

Value figures_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  Value inputs;
  for (const auto& input : stage.inputs) {
    Value::List scores;
    for (const auto& tag : input.tags) {
      const auto& result = results.at(tag);
      scores.push_back(Value::Map{{"tag", tag}, {"digest", result.digest}, {"count", result.count}});  // figures are named after tags
    }
    inputs[input.port] = std::move(scores);
  }
  return Value::Map{{"metric", plugin_value(stage)}, {"inputs", inputs}, {"seed", spec.seed}};
}

}  // namespace espalier::plan
