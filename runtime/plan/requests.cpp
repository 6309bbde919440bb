#include "runtime/plan/requests.h"

#include <algorithm>

#include "runtime/tensor/failure.h"

namespace espalier::plan {
namespace {

// Of the way in which laws are estimated. A selection's entry holds its law, so that an older one is not shown for it; which samples are
// selected, and hence the keys of models, do not depend on it.
constexpr std::int64_t kLawVersion = 3;

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

Value domain_value(const config::PipelineSpec& spec, const Codec& codec) {
  return Value::Map{{"type", spec.domain_type}, {"numerics_version", spec.domain_numerics_version}, {"codec", codec.key()}};
}

Result folder_result(const config::PipelineSpec& spec, const std::string& tag) {
  const auto& folder = spec.models.at(tag).folder;
  Result result;
  result.kind = ResultKind::model;
  result.model = named<PluginError>("[models]: " + tag + ": the folder '" + folder.string() + "'",
                                    [&] { return modelfile::info(folder, spec.networks, spec.load_options(tag), spec.digests); });
  result.digest = result.model.digest;
  return result;
}

Value phases_value(const std::vector<Phase>& phases) {
  Value::List values;
  for (const auto& phase : phases) values.push_back(phase.to_value());
  return Value(std::move(values));
}

}  // namespace

void add_folders(const config::PipelineSpec& spec, const config::StageSpec& stage, Results& results) {
  for (const auto& input : stage.inputs) {
    for (const auto& tag : input.tags) {
      if (spec.is_folder(tag) && !results.contains(tag)) results.emplace(tag, folder_result(spec, tag));
    }
  }
}

std::vector<ModelInfo> models_of(const config::StageSpec& stage, const Results& results) {
  std::vector<ModelInfo> models;
  for (const auto& tag : stage.input("model")->tags) models.push_back(results.at(tag).model);
  return models;
}

std::shared_ptr<const Codec> codec_of(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  std::shared_ptr<const Codec> codec;
  std::string first;
  for (const char* input : {"model", "prior"}) {
    if (stage.input(input) == nullptr) continue;
    for (const auto& tag : stage.input(input)->tags) {
      auto other = spec.codec(results.at(tag).model, tag);
      if (codec == nullptr) {
        codec = std::move(other);
        first = tag;
      } else if (other->key() != codec->key()) {
        throw ConfigError("the models '" + first + "' and '" + tag + "' decode their states differently, " + to_json(codec->key()) +
                          " and " + to_json(other->key()) + "; models of one trajectory decode alike");
      } else if (spec_value(other->spec()) != spec_value(codec->spec())) {
        throw ConfigError("the models '" + first + "' and '" + tag + "' have states of different shapes, " +
                          to_json(spec_value(codec->spec())) + " and " + to_json(spec_value(other->spec())) +
                          "; models of one trajectory have the same");
      }
    }
  }
  return codec;
}

Value recipe(const config::PipelineSpec& spec, const config::StageSpec& stage, Direction direction, const std::vector<Phase>& phases,
             const Codec& codec) {
  auto options = stage.keyed.as_map();
  for (const char* name : {"split", "max_conditions"}) options.erase(name);  // the conditions or examples enter by their content
  for (const char* name : {"start_step", "branch"}) options.erase(name);     // in the phase's start, and beside the set that it is of
  Value value = Value::Map{
      {"format", kFormat},
      {"random", random::kGeneratorId},
      {"seed", stage.seed},
      {"sampler", Value::Map{{"type", stage.type}, {"numerics_version", stage.numerics_version}, {"options", std::move(options)}}},
      {"phases", phases_value(phases)},
      {"state", spec_value(codec.spec())},
  };
  if (direction == Direction::to_noise) {
    const auto examples = spec.domain->data().examples(stage.sampler.split);
    value["domain"] = domain_value(spec, codec);  // its codec encodes the examples
    value["conditions"] = examples->digest();
    value["condition_count"] = examples->size();
  } else {
    value["conditions"] = spec.conditions_digest(stage);
    value["condition_count"] = spec.conditions(stage).size();
  }
  return value;
}

Value scores_request(const config::StageSpec& stage, const Results& results) {
  const auto& reward = stage.plugin.get<Reward>();
  Value request = Value::Map{
      {"set", results.at(first_tag(stage, "samples")).set_id},
      {"decoder", results.at(first_tag(stage, "samples")).decoder},
      {"reward", plugin_value(stage)},
      {"identity", reward.identity()},
  };
  if (stage.input("model")) request["model"] = results.at(first_tag(stage, "model")).model.function();
  return request;
}

Value selection_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  const auto& scores = results.at(first_tag(stage, "scores"));
  Value digests = scores.digest;
  if (const auto& tags = stage.input("scores")->tags; tags.size() > 1) {
    digests = Value(Value::List{});
    for (const auto& tag : tags) digests.push_back(results.at(tag).digest);
  }
  Value request = Value::Map{
      {"law", kLawVersion}, {"scores", digests}, {"set", scores.set_id}, {"count", scores.count}, {"filter", plugin_value(stage)},
      {"seed", stage.seed},
  };
  if (stage.input("selection")) {  // the digest: which samples; the key: by which filters, since the law of a chain depends on all of them
    const auto& before = results.at(first_tag(stage, "selection"));
    request["selection"] = Value::Map{{"digest", before.digest}, {"key", before.key}};
  }
  if (stage.plugin.get<Filter>().needs_keys()) {
    request["canonical_keys"] =
        Value::Map{{"domain", spec.domain_type}, {"numerics_version", spec.domain_numerics_version}, {"decoder", scores.decoder}};
  }
  return request;
}

Value model_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  const auto& trainer = stage.plugin.get<Trainer>();
  Value request = Value::Map{{"trainer", plugin_value(stage)}, {"seed", stage.seed}};
  if (stage.input("model")) {
    const auto& start = results.at(first_tag(stage, "model"));
    request["model"] = start.model.function();
    if (start.model.role == kDenoiser) {  // its codec encodes the training data
      request["domain"] = domain_value(spec, *spec.codec(start.model, first_tag(stage, "model")));
    }
    if (!start.trainer_state.empty()) request["state"] = start.trainer_state;
  }
  if (stage.input("reference")) request["reference"] = results.at(first_tag(stage, "reference")).model.function();
  if (stage.input("profile")) request["profile"] = results.at(first_tag(stage, "profile")).digest;
  if (stage.input("selection")) {
    const auto& selection = results.at(first_tag(stage, "selection"));
    request["selection"] = Value::Map{{"digest", selection.digest}, {"set", selection.set_id}};
  } else if (stage.input("scores")) {
    const auto& scores = results.at(first_tag(stage, "scores"));
    request["scores"] = Value::Map{{"digest", scores.digest}, {"set", scores.set_id}, {"count", scores.count}};
  } else if (stage.input("examples")) {
    const auto& noises = results.at(first_tag(stage, "examples"));
    request["examples"] = Value::Map{{"set", noises.set_id}, {"count", noises.count}};
  } else {
    request["examples"] = trainer.identity(*spec.domain);
  }
  return request;
}

Value findings_request(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  const auto& metric = stage.plugin.get<Metric>();
  Value inputs;
  Value::List decoders;  // of all samples, each once, in the order in which the samples are named
  for (const auto& input : stage.inputs) {
    Value::List values;
    for (const auto& tag : input.tags) {
      const auto& result = results.at(tag);
      if (result.kind == ResultKind::model) {
        values.push_back(result.model.function());
        continue;
      }
      if (result.kind == ResultKind::trajectories) {
        const auto& decoder = result.decoder;
        if (std::ranges::find(decoders, decoder) == decoders.end()) decoders.push_back(decoder);
      }
      values.push_back(Value::Map{{"tag", tag}, {"digest", result.digest}, {"count", result.count}});  // scalars are named after tags
      if (result.kind == ResultKind::selection) values.back()["set"] = result.set_id;
    }
    inputs[input.info.name] = std::move(values);
  }
  Value request = Value::Map{{"metric", plugin_value(stage)}, {"inputs", inputs}, {"seed", stage.seed}};
  if (!decoders.empty()) request["decoders"] = std::move(decoders);
  if (auto identity = metric.identity(*spec.domain); identity != Value()) request["identity"] = std::move(identity);
  return request;
}

Value request_of(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results) {
  switch (stage.kind->gives) {
    case ResultKind::scores:
      return scores_request(stage, results);
    case ResultKind::selection:
      return selection_request(spec, stage, results);
    case ResultKind::model:
      return model_request(spec, stage, results);
    case ResultKind::findings:
      return findings_request(spec, stage, results);
    case ResultKind::trajectories:
      break;
  }
  throw InternalError("the recipe of trajectories is made with their phases");
}

}  // namespace espalier::plan
