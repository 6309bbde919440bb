#include "runtime/plan/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/plan/check_inputs.h"
#include "runtime/plan/estimate.h"
#include "runtime/plan/predict_result.h"
#include "runtime/plan/trajectory_source.h"
#include "runtime/sdk/check.h"
#include "runtime/tensor/failure.h"

namespace espalier::plan {
namespace {

constexpr std::int64_t kDefaultRecordedSteps = 8;
constexpr std::int64_t kMostBlocks = 1'000'000;  // of one view: the plan has an entry for each

std::set<std::int64_t> demanded_steps(const config::PipelineSpec& spec, const config::StageSpec& sampler, const Phase& last) {
  const auto num_steps = last.grid.num_steps();
  std::set<std::int64_t> steps{0};
  for (const auto& step : sampler.sampler.record_steps) steps.insert(step.of(num_steps));
  const auto first = recorded_start(last).value_or(num_steps);
  for (const auto& stage : spec.stages) {
    for (const auto& input : stage.inputs) {
      if (input.info.takes == ResultKind::model || input.info.takes == ResultKind::findings) continue;
      for (const auto& tag : input.tags) {
        if (samples_stage(spec, *spec.find(tag)).tag != sampler.tag) continue;
        steps.merge(input.info.recorded_steps(num_steps, last.start == "noise"));
        if (input.info.name == "start") steps.insert(stage.sampler.start_step.of(num_steps));
        if (*steps.rbegin() <= first) continue;
        throw ConfigError("stage '" + stage.tag + "' reads the state with " + std::to_string(*steps.rbegin()) +
                          " steps remaining, but these trajectories begin with " + std::to_string(first));
      }
    }
  }
  return steps;
}

// Spaced steps of a schedule, of trajectories that begin with `first` steps remaining.
std::set<std::int64_t> default_steps(std::int64_t num_steps, std::int64_t first) {
  std::set<std::int64_t> steps;
  for (std::int64_t i = 0; i < kDefaultRecordedSteps; ++i) {
    if (const auto step = i * num_steps / kDefaultRecordedSteps; step < first) steps.insert(step);
  }
  return steps;
}

std::string count_of(std::size_t count, const char* noun) { return std::to_string(count) + " " + noun + (count == 1 ? "" : "s"); }

// Blocks are computed whole, so samples beyond the view are computed too; the plan counts them.
void count_samples(std::int64_t block_size, StagePlan& plan) {
  plan.samples_to_compute = static_cast<std::int64_t>(plan.missing.size()) * block_size;
  const auto beyond = plan.blocks * block_size - plan.samples;
  const bool last_is_missing = !plan.missing.empty() && static_cast<std::int64_t>(plan.missing.back()) == plan.blocks - 1;
  plan.samples_beyond_view = last_is_missing ? beyond : 0;
}

// Plans probes of blocks by other makers, also of blocks beyond the view: all makers of a set must be known to compute the same numbers.
void plan_probes(const std::map<std::uint64_t, cache::CommitInfo>& blocks, const config::PipelineSpec& spec, const cache::Index& index,
                 const Hex& set_id, const Hex& score_id, StagePlan& plan) {
  const auto here = maker_of(spec, *plan.stage);
  plan.probes = pending_probes(here, blocks, index, set_id, score_id);
  for (const auto& probe : plan.probes) {
    plan.because += "; block " + std::to_string(probe.block) + " is of " + maker_difference(here, probe.against);
  }
}

// Finds the view's blocks that are missing or lack a step, and the steps that each of them gets.
void look_up_blocks(const config::PipelineSpec& spec, const cache::Index& index, StagePlan& plan) {
  const auto have = index.blocks(plan.key);
  const auto block_size = plan.stage->sampler.block_size;
  if (plan.result->count / block_size >= kMostBlocks) {
    throw ConfigError(std::to_string(plan.result->count) + " trajectories in blocks of " + std::to_string(block_size) + " are more than " +
                      std::to_string(kMostBlocks) + " blocks; take fewer, or a larger block_size");
  }
  plan.blocks = (plan.result->count + block_size - 1) / block_size;
  std::size_t lacking_steps = 0;
  for (std::uint64_t block = 0; block < static_cast<std::uint64_t>(plan.blocks); ++block) {
    const auto found = have.find(block);
    if (found == have.end()) {
      plan.missing_steps[block] = plan.fresh_steps;
    } else if (!std::includes(found->second.steps.begin(), found->second.steps.end(), plan.steps.begin(), plan.steps.end())) {
      std::set<std::int64_t> lacking{0};  // x_0 is computed again, to compare it with the stored one
      std::set_difference(plan.steps.begin(), plan.steps.end(), found->second.steps.begin(), found->second.steps.end(),
                          std::inserter(lacking, lacking.end()));
      plan.missing_steps[block] = lacking;
      ++lacking_steps;
    }
  }
  for (const auto& [block, steps] : plan.missing_steps) plan.missing.push_back(block);
  plan.action = plan.missing.empty() ? Action::reuse : Action::run;
  count_samples(block_size, plan);
  const auto absent = plan.missing.size() - lacking_steps;
  if (plan.missing.empty()) {
    plan.because = "all " + count_of(static_cast<std::size_t>(plan.blocks), "block") + " in the cache";
  } else if (have.empty()) {
    plan.because = "no such trajectories in the cache";
  } else {
    plan.because = absent ? count_of(absent, "block") + " of " + std::to_string(plan.blocks) + " to compute" : "";
    if (lacking_steps) plan.because += (absent ? ", " : "") + count_of(lacking_steps, "block") + " without a step asked for";
  }
  std::map<std::uint64_t, cache::CommitInfo> commits;
  for (const auto& [block, status] : have) commits.emplace(block, status.total);
  plan_probes(commits, spec, index, plan.key, "", plan);
  estimate_trajectories(plan.evaluations_per_sample, index, plan);
}

Result trajectories_result(const StagePlan& plan, std::int64_t count) {
  Result result;
  result.kind = ResultKind::trajectories;
  result.digest = result.key = result.set_id = plan.key;
  result.samples = plan.stage->tag;
  result.count = count;
  result.grid = plan.phases.back().grid;
  return result;
}

// The number of a sampler's trajectories: samples_per_condition for each condition.
std::int64_t sample_count(const config::PipelineSpec& spec, const config::StageSpec& stage) {
  const auto conditions = spec.conditions(stage).size();
  if (conditions > 0 && stage.sampler.samples_per_condition > std::numeric_limits<std::int64_t>::max() / conditions) {
    throw ConfigError("samples_per_condition = " + std::to_string(stage.sampler.samples_per_condition) + " for " +
                      std::to_string(conditions) + " conditions are more trajectories than can be counted; take fewer");
  }
  return conditions * stage.sampler.samples_per_condition;
}

// The number of a noise corrector's trajectories: one for each example, or for each of the first max_examples.
std::int64_t example_count(const config::PipelineSpec& spec, const config::StageSpec& stage) {
  const auto available = spec.domain->data().examples(stage.sampler.split)->size();
  if (available == 0) {
    throw ConfigError("the examples of split '" + stage.sampler.split +
                      "' are generated without end and cannot be inverted as a set; name " + "a data set in [domain]");
  }
  const auto wanted = stage.sampler.max_conditions;
  return wanted == 0 ? available : std::min(wanted, available);
}

// Lets the stage's trajectories begin at recorded states of another stage's.
void begin_at_recorded(const config::StageSpec& stage, const Result& start, const Codec& codec, StagePlan& plan) {
  const auto& grid = plan.phases.back().grid;
  const auto step = stage.sampler.start_step.of(grid.num_steps());
  const auto differ = [&](const std::string& what, const auto& here, const auto& there) {
    throw ConfigError("begins at states of '" + start.samples + "', whose " + what + " is " + there + ", not " + here +
                      "; take the options and models with which those were sampled");
  };
  if (grid.num_steps() != start.grid.num_steps())
    differ("number of steps", std::to_string(grid.num_steps()), std::to_string(start.grid.num_steps()));
  const auto &here = grid.at(step), &there = start.grid.at(step);
  if (here.level.alpha != there.level.alpha || here.level.sigma != there.level.sigma || here.timestep != there.timestep)
    differ("noise level at step " + std::to_string(step), "alpha " + std::to_string(here.level.alpha),
           "alpha " + std::to_string(there.level.alpha));
  if (codec.key() != start.codec->key()) differ("codec", to_json(codec.key()), to_json(start.codec->key()));
  plan.phases = continued_from(std::move(plan.phases), step);
}

void request_trajectories(const config::PipelineSpec& spec, const Results& results, StagePlan& plan) {
  const auto& stage = *plan.stage;
  const auto source = trajectory_source(stage);
  const bool sampled = source->direction() == Direction::to_sample;
  const auto* prior = stage.input("prior");
  auto models = models_of(stage, results);
  plan.phases = source->phases(models, prior ? &results.at(prior->tags.front()).model : nullptr);
  if (prior) models.push_back(results.at(prior->tags.front()).model);
  check_phases(stage.type, source->direction(), plan.phases, models);
  const auto count = sampled ? sample_count(spec, stage) : example_count(spec, stage);
  auto codec = codec_of(spec, stage, results);
  const auto* start = stage.input("start");
  if (start) begin_at_recorded(stage, results.at(start->tags.front()), *codec, plan);
  plan.request = recipe(spec, stage, source->direction(), plan.phases, *codec);
  if (start) {
    plan.request["start"] = Value::Map{{"set", results.at(start->tags.front()).set_id}, {"branch", stage.sampler.branch}};
  }
  plan.key = digest(plan.request);
  plan.result = trajectories_result(plan, count);
  plan.result->decoder = codec->key();
  if (codec->needs_model()) plan.result->decoder = Value::Map{{"codec", codec->key()}, {"weights", models.front().digest}};
  plan.result->codec = std::move(codec);
  plan.samples = count;

  const auto num_steps = plan.result->grid.num_steps();
  plan.steps = demanded_steps(spec, stage, plan.phases.back());
  if (!sampled) plan.steps.insert(num_steps);
  plan.fresh_steps = plan.steps;
  if (sampled) plan.fresh_steps.merge(default_steps(num_steps, recorded_start(plan.phases.back()).value_or(num_steps)));
  plan.evaluations_per_sample = network_evaluations(*source, plan.phases);
  check_evaluations(stage.type, plan.evaluations_per_sample);
}

void request_scores(const Results& results, StagePlan& plan) {
  plan.request = scores_request(*plan.stage, results);
  plan.key = digest(plan.request);
  plan.result = results.at(plan.stage->input("samples")->tags.front());
  plan.result->kind = ResultKind::scores;
  plan.result->digest = plan.result->key = plan.key;
  plan.samples = plan.result->count;
}

void look_up_scores(const config::PipelineSpec& spec, const cache::Index& index, StagePlan& plan) {
  const auto& result = *plan.result;
  const auto block_size = samples_stage(spec, *plan.stage).sampler.block_size;
  plan.blocks = (result.count + block_size - 1) / block_size;
  const auto have = index.score_blocks(result.set_id, plan.key);
  for (std::uint64_t block = 0; block < static_cast<std::uint64_t>(plan.blocks); ++block) {
    if (!have.contains(block)) plan.missing.push_back(block);
  }
  plan.action = plan.missing.empty() ? Action::reuse : Action::run;
  plan.because = plan.missing.empty() ? "all " + count_of(static_cast<std::size_t>(plan.blocks), "block") + " in the cache"
                 : have.empty()       ? "no such scores in the cache"
                                      : count_of(plan.missing.size(), "block") + " of " + std::to_string(plan.blocks) + " to score";
  count_samples(block_size, plan);
  auto scorable = have;  // the samples of a block beyond the view may be missing, so that its scores cannot be computed again
  const auto samples_there = index.blocks(result.set_id);
  std::erase_if(scorable, [&](const auto& commit) {
    return static_cast<std::int64_t>(commit.first) >= plan.blocks && !samples_there.contains(commit.first);
  });
  plan_probes(scorable, spec, index, result.set_id, plan.key, plan);
  plan.bytes = plan.samples_to_compute * static_cast<std::int64_t>(sizeof(double));
  estimate_scores(have, plan);
}

// Reads the info of a trained model in the cache. Its components are stored outside the part that enters keys; entries of earlier versions
// lack them.
ModelInfo model_of(const Value& info) {
  auto model = ModelInfo::from_value(info.at("model"));
  if (const auto* components = info.find("components")) {
    for (const auto& component : components->as_list()) model.components.push_back(component.as_string());
  }
  return model;
}

// Requests a selection, a model or findings, which are one cache entry each.
void request_entry(const config::PipelineSpec& spec, const Results& results, StagePlan& plan) {
  plan.request = request_of(spec, *plan.stage, results);
  plan.key = digest(plan.request);
  plan.unmade.kind = plan.stage->kind->gives;
  if (plan.unmade.kind != ResultKind::selection) return;
  plan.unmade = results.at(plan.stage->input("scores")->tags.front());
  plan.unmade.kind = ResultKind::selection;
  plan.samples = plan.unmade.count;
}

void look_up_entry(const cache::Index& index, StagePlan& plan) {
  const auto gives = plan.stage->kind->gives;
  const auto found = index.result(result_name(gives), plan.key);
  plan.action = found ? Action::reuse : Action::run;
  plan.because = found ? "in the cache" : std::string("no such ") + result_name(gives) + " in the cache";
  plan.result.reset();
  if (!found) return;
  auto result = plan.unmade;
  if (gives == ResultKind::model) {
    result.model = model_of(found->info);
    if (const auto* state = found->info.find("trainer_state")) result.trainer_state = state->as_string();
  }
  result.key = plan.key;
  result.digest = gives == ResultKind::model ? result.model.digest : found->digest;
  plan.result = std::move(result);
}

// Fills in what follows from the options and the inputs alone, not from the cache.
void request(const config::PipelineSpec& spec, const Results& results, StagePlan& plan) {
  const auto& stage = *plan.stage;
  for (const auto& input : stage.inputs) {
    for (const auto& tag : input.tags) plan.inputs.emplace(tag, results.at(tag).digest);
  }
  check_models(stage, results);
  switch (stage.kind->gives) {
    case ResultKind::trajectories:
      request_trajectories(spec, results, plan);
      break;
    case ResultKind::scores:
      request_scores(results, plan);
      break;
    default:
      request_entry(spec, results, plan);
  }
}

// Returns the tags of a stage's inputs that are not in `results`.
std::vector<std::string> missing_inputs(const config::StageSpec& stage, const Results& results) {
  std::vector<std::string> missing;
  for (const auto& input : stage.inputs) {
    for (const auto& tag : input.tags) {
      if (!results.contains(tag)) missing.push_back(tag);
    }
  }
  return missing;
}

StagePlan pending_plan(const config::StageSpec& stage, std::vector<std::string> tags) {
  StagePlan plan;
  plan.stage = &stage;
  plan.pending = std::move(tags);
  plan.because = "key pending: ";
  for (std::size_t i = 0; i < plan.pending.size(); ++i) plan.because += (i ? ", " : "") + plan.pending[i];
  return plan;
}

// Runs a part of a stage's planning; its exceptions name the stage.
template <class Part>
auto of_stage(const config::StageSpec& stage, const Part& part) {
  const Doing doing("stage '" + stage.tag + "' (" + stage.type + ")");
  try {
    return part();
  } catch (...) {
    throw with_stage_context(stage, std::current_exception());
  }
}

// Plans a stage from results or predictions of them.
StagePlan plan_from(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results, const cache::Index& index) {
  if (auto missing = missing_inputs(stage, results); !missing.empty()) return pending_plan(stage, std::move(missing));
  StagePlan plan;
  plan.stage = &stage;
  of_stage(stage, [&] { request(spec, results, plan); });
  look_up(spec, index, plan);
  return plan;
}

// Checks what only a plan that was made from results shows: predicted trajectories have another set's id than those that will be made.
void check_made_from_results(const StagePlan& plan) {
  if (!plan.pending.empty() || plan.stage->kind->gives != ResultKind::scores) return;
  of_stage(*plan.stage, [&] { check_scored_set(plan.request.at("identity"), *plan.result); });
}

}  // namespace

const config::StageSpec& samples_stage(const config::PipelineSpec& spec, const config::StageSpec& stage) {
  const auto* from = &stage;
  for (const char* name : {"scores", "samples"}) {
    if (const auto* input = from->input(name)) from = spec.find(input->tags.front());
  }
  return *from;
}

std::string action_text(const StagePlan& plan) {
  return std::string(plan.probes.empty() ? "" : "probe, then ") + (plan.action == Action::run ? "run" : "reuse");
}

StagePlan plan_stage(const config::PipelineSpec& spec, const config::StageSpec& stage, const Results& results, const cache::Index& index) {
  auto plan = plan_from(spec, stage, results, index);
  check_made_from_results(plan);
  return plan;
}

void look_up(const config::PipelineSpec& spec, const cache::Index& index, StagePlan& plan) {
  if (!plan.pending.empty()) return;
  of_stage(*plan.stage, [&] {
    plan.missing.clear();
    plan.missing_steps.clear();
    plan.probes.clear();
    plan.bytes = 0;
    plan.seconds.reset();
    switch (plan.stage->kind->gives) {
      case ResultKind::trajectories:
        return look_up_blocks(spec, index, plan);
      case ResultKind::scores:
        return look_up_scores(spec, index, plan);
      default:
        return look_up_entry(index, plan);
    }
  });
}

bool is_current(const StagePlan& plan, const Results& results) {
  return std::all_of(plan.inputs.begin(), plan.inputs.end(), [&](const auto& input) {
    const auto found = results.find(input.first);
    return found != results.end() && found->second.digest == input.second;
  });
}

Error with_stage_context(const config::StageSpec& stage, const std::exception_ptr& failure, const std::string& part) {
  const std::string who = "stage '" + stage.tag + "'";
  const std::string where = stage.where.to_string() + ": " + who + (part.empty() ? "" : ", " + part);
  try {
    std::rethrow_exception(failure);
  } catch (const Stopped&) {
    throw;  // it concerns no stage, and its type must be kept
  } catch (const Error& error) {
    const std::string message = error.what();
    return message.find(who) != std::string::npos ? error : Error(error.code(), where + ": " + message);
  } catch (...) {
    auto message = where + " (" + stage.type + "): " + failure_text(failure);
    if (!is_out_of_memory(failure)) return StageError(message);
    auto options = stage.keyed.as_map();
    options.insert(stage.view.as_map().begin(), stage.view.as_map().end());
    return StageError(message + largest_of(options));
  }
}

std::vector<StagePlan> make(const config::PipelineSpec& spec, const cache::Index& index, Results* folders) {
  Results results, predicted;  // `predicted` has `results` and those that are predicted
  std::vector<StagePlan> plans;
  for (const auto& stage : spec.stages) {
    of_stage(stage, [&] { add_folders(spec, stage, results); });
    predicted.insert(results.begin(), results.end());
    check_inputs(spec, stage, predicted);
    auto plan = plan_from(spec, stage, predicted, index);
    if (auto will_be = predict_result(spec, plan, predicted)) predicted.emplace(stage.tag, std::move(*will_be));
    if (auto missing = missing_inputs(stage, results); !missing.empty()) plan = pending_plan(stage, std::move(missing));
    check_made_from_results(plan);
    if (plan.result) results.emplace(stage.tag, *plan.result);
    plans.push_back(std::move(plan));
  }
  if (folders != nullptr) {
    for (const auto& [tag, result] : results) {
      if (spec.is_folder(tag)) folders->emplace(tag, result);
    }
  }
  return plans;
}

std::vector<Difference> nearest_differences(const StagePlan& plan, const cache::Index& index) {
  std::vector<Difference> nearest;
  if (plan.key.empty()) return nearest;
  bool found = false;
  for (const auto& request : index.requests(result_name(plan.stage->kind->gives))) {
    if (digest(request) == plan.key) return {};
    auto candidate = differences(request, plan.request);
    if (!found || candidate.size() < nearest.size()) nearest = std::move(candidate);
    found = true;
  }
  return nearest;
}

}  // namespace espalier::plan
