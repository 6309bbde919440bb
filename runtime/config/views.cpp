#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

#include "runtime/base/errors.h"
#include "runtime/config/spec.h"
#include "runtime/sdk/check.h"

namespace espalier::config {

void SamplerView::options(Schema& schema) {
  schema.text("split", split, "Which of the domain's conditions to sample.");
  schema.integer("max_conditions", max_conditions, "Only the first so many of the split's conditions; 0: all.").at_least(0).at_most(1e9);
  schema.integer("samples_per_condition", samples_per_condition, "Trajectories used for each condition; more of them only grow the set.")
      .at_least(1)
      .view();
  schema.choice("noise", noise, {"sampling", "held_out"},
                "Which random stream: trajectories that only judge models take held_out, which shares nothing with those trained on.");
  schema
      .steps("record_steps", record_steps,
             "Steps to keep besides the spaced ones and those that later stages read: an index or a fraction of N.")
      .view();
  schema
      .integer("block_size", block_size,
               "Trajectories computed, stored and verified together; a multiple of micro_batch; 0: by the cost of the model, at most 64.")
      .at_least(0)
      .at_most(65536);
  schema
      .integer("micro_batch", micro_batch,
               "Trajectories in one forward pass, with guidance of twice as many rows; a network's last bits depend on it; "
               "0: by the cost of the model, at most 16.")
      .at_least(0)
      .at_most(65536);
  schema
      .step("start_step", start_step,
            "With the input 'start': begin at the states that its trajectories have at this step, an index or a fraction of N.")
      .unkeyed_default();
  schema.integer("branch", branch, "With the input 'start': which continuation of each state, from 1; each has noise of its own.")
      .at_least(1)
      .at_most(1e6)
      .unkeyed_default();
  schema
      .number("max_nonfinite_fraction", max_nonfinite_fraction,
              "Share of samples that may be NaN or infinite (excluded, counted) before the run stops; 0: the first one stops it.")
      .at_least(0.0)
      .at_most(1.0)
      .operational();
}

void RewardView::options(Schema& schema) {
  schema
      .number("max_invalid_fraction", max_invalid_fraction,
              "Share of samples whose reward may be missing or infinite before the run stops.")
      .at_least(0.0)
      .at_most(1.0)
      .operational();
}

void FilterView::options(Schema& schema) {
  schema.numbers("weights", weights, "Weights of the scores, in the order in which the input names them; none: 1 each.").unkeyed_default();
  schema
      .choice("normalization", normalization, {"none", "z_score", "rank"},
              "How each reward's scores are made comparable before they are added.")
      .unkeyed_default();
  schema
      .choice("normalize_over", normalize_over, {"pool", "condition"},
              "Whose mean and deviation, or ranks: of all samples, or of the samples of each condition.")
      .unkeyed_default();
}

void inversion_options(SamplerView& view, double& max_unconverged_fraction, Schema& schema) {
  schema.text("split", view.split, "Which of the domain's examples to invert.");
  schema.integer("max_examples", view.max_conditions, "Only the first so many examples; 0: all. More only grow the set.")
      .at_least(0)
      .at_most(1e9)
      .view();
  schema.steps("record_steps", view.record_steps, "Steps to keep besides the example and its noise: an index or a fraction of N.").view();
  schema
      .integer("block_size", view.block_size,
               "Examples inverted, stored and verified together; a multiple of micro_batch; 0: by the cost of the model, at most 64.")
      .at_least(0)
      .at_most(65536);
  schema
      .integer("micro_batch", view.micro_batch,
               "Rows of one forward pass; a network's last bits depend on it; 0: by the cost of the model, at most 16.")
      .at_least(0)
      .at_most(65536);
  schema
      .number("max_unconverged_fraction", max_unconverged_fraction,
              "Share of examples that may fail to converge (excluded, counted) before the run stops.")
      .at_least(0.0)
      .at_most(1.0)
      .operational();
}

std::string PipelineSpec::folder_of(const std::string& tag) const {
  if (is_folder(tag)) return tag;
  const auto* stage = find(tag);
  const auto* start = stage == nullptr ? nullptr : stage->input("model");
  return start == nullptr || start->tags.empty() ? "" : folder_of(start->tags.front());
}

modelfile::LoadOptions PipelineSpec::load_options(const std::string& tag) const {
  modelfile::LoadOptions options;
  const auto folder = folder_of(tag);
  options.dtype = folder.empty() ? dtype : models.at(folder).dtype.value_or(dtype);
  if (!is_folder(tag)) return options;
  const auto& model = models.at(folder);
  if (model.initialize_weights) options.initialize_weights = seed;
  options.variant = model.variant;
  options.adapter = model.adapter;
  options.settings = model.settings;
  options.prediction_type = model.prediction_type;
  options.height = model.height;
  options.width = model.width;
  return options;
}

std::shared_ptr<const Codec> PipelineSpec::codec(const ModelInfo& model, const std::string& tag) const {
  std::shared_ptr<const Codec> codec;
  try {
    codec = domain->codec(&model);
  } catch (const Error& error) {
    const auto entry = models.find(tag);
    throw Error(error.code(), "the model '" + tag + "'" + (entry == models.end() ? "" : " (" + entry->second.folder.string() + ")") + ": " +
                                  error.what());
  }
  check_codec(domain_type, codec.get());
  return codec;
}

const StageInput* StageSpec::input(const std::string& name) const {
  const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const StageInput& input) { return input.info.name == name; });
  return found == inputs.end() ? nullptr : &*found;
}

const StageSpec* PipelineSpec::find(const std::string& tag) const {
  const auto found = std::find_if(stages.begin(), stages.end(), [&](const StageSpec& stage) { return stage.tag == tag; });
  return found == stages.end() ? nullptr : &*found;
}

struct PipelineSpec::KnownConditions {
  struct Entry {
    Conditions conditions;
    Hex digest = {};  // made when it is first asked for
  };
  std::mutex mutex;
  std::map<std::tuple<const Domain*, std::string, std::int64_t>, Entry> entries;  // by domain, split and max_conditions

  // The caller holds the mutex.
  Entry& of(const PipelineSpec& spec, const StageSpec& sampler) {
    const auto& [split, max_conditions] = std::tie(sampler.sampler.split, sampler.sampler.max_conditions);
    const std::tuple key(spec.domain.get(), split, max_conditions);
    if (const auto found = entries.find(key); found != entries.end()) return found->second;
    auto all = spec.domain->data().conditions(split);
    check_conditions(spec.domain_type, split, all);
    return entries.emplace(key, Entry{max_conditions == 0 ? std::move(all) : all.first(max_conditions)}).first->second;
  }
};

std::shared_ptr<PipelineSpec::KnownConditions> PipelineSpec::make_known_conditions() { return std::make_shared<KnownConditions>(); }

const Conditions& PipelineSpec::conditions(const StageSpec& sampler) const {
  const std::lock_guard lock(known_conditions_->mutex);
  return known_conditions_->of(*this, sampler).conditions;
}

const Hex& PipelineSpec::conditions_digest(const StageSpec& sampler) const {
  const std::lock_guard lock(known_conditions_->mutex);
  auto& entry = known_conditions_->of(*this, sampler);
  if (entry.digest.empty()) entry.digest = entry.conditions.digest();
  return entry.digest;
}

}  // namespace espalier::config
