#include "runtime/sdk/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

// Both halves of a guided batch: the null condition first.
TensorMap both_halves(const TensorMap& empty, const TensorMap& given) {
  TensorMap out;
  for (const auto& [name, tensor] : given) {
    const auto other = empty.find(name);
    if (other == empty.end()) throw InternalError("the null condition has no tensor '" + name + "', which the condition has");
    auto sizes = tensor.sizes().vec();
    out[name] = at::cat({other->second.expand(sizes), tensor});
  }
  return out;
}

// The step at which the model's range ends, on this schedule.
std::int64_t range_end(const ModelInfo& model, std::int64_t num_steps) {
  if (model.trained_num_steps != 0 && model.trained_num_steps != num_steps) {
    throw ConfigError(
        fmt::format("the model {} was trained for steps down to index {} of {} steps and cannot be sampled with {}; "
                    "set num_inference_steps = {}, or train with a fraction as intermediate_step",
                    model.digest.substr(0, 12), model.last_step.to_string(), model.trained_num_steps, num_steps, model.trained_num_steps));
  }
  return model.last_step.of(num_steps);
}

// Stitched models hand a state over, so all but what their networks predict must be one process.
Value shared_part(const Value& process) {
  auto fields = process.as_map();
  fields.erase("prediction_type");
  return Value(std::move(fields));
}

std::string different_processes(const std::string& sampler, const Value& first, const Value& other) {
  std::string fields;
  for (const auto& difference : differences(shared_part(first), shared_part(other))) {
    fields += fmt::format("; {}: {} and {}", difference.path, difference.before, difference.after);
  }
  return sampler + ": models of different noise processes cannot be stitched" + fields;
}

}  // namespace

std::int64_t network_evaluations(const Sampler& sampler, const std::vector<Phase>& phases) {
  std::int64_t passes = 0;
  for (const auto& phase : phases) {
    for (const auto& segment : phase.segments) passes += sampler.network_evaluations(segment);
  }
  return passes;
}

std::shared_ptr<const diffusion::NoiseProcess> process_of(const ModelInfo& model, const std::string& sampler, const std::string& process) {
  if (model.role != "denoiser") {
    throw ConfigError(fmt::format("{}: a model of role '{}' cannot be sampled; it needs a denoiser", sampler, model.role));
  }
  const std::string origin = sampler + ": the noise process of model " + model.digest.substr(0, 12);
  auto made = diffusion::make_process(model.process, origin);
  if (made->name() != process)
    throw ConfigError(fmt::format("{} is '{}'; this stage needs '{}' (`espalier plugins list` says which process a sampler is of)", origin,
                                  made->name(), process));
  return made;
}

Phase stitched_phase(const std::vector<ModelInfo>& models, std::int64_t num_steps, const std::string& sampler, const std::string& process) {
  Phase phase;
  for (const auto& model : models) {
    const auto own = process_of(model, sampler, process);
    if (phase.grid.points.empty()) {
      phase.grid = own->grid(num_steps);
      phase.process = own->config();
    } else if (shared_part(own->config()) != shared_part(phase.process)) {
      throw ConfigError(different_processes(sampler, phase.process, own->config()));
    }
  }
  phase.segments = stitch(models, num_steps);
  return phase;
}

Value Phase::to_value() const {
  Value value;
  value["start"] = start;
  value["process"] = process;
  Value::List points;
  for (const auto& point : grid.points) {
    points.push_back(Value(Value::List{point.steps_remaining, point.timestep, point.level.alpha, point.level.sigma}));
  }
  value["grid"] = Value(std::move(points));
  Value::List parts;
  for (const auto& segment : segments) {
    Value part;  // a model's role and range change no trajectory beyond the steps it is used for
    part["digest"] = segment.model.digest;
    part["architecture"] = segment.model.architecture;
    part["process"] = segment.model.process;
    part["first"] = segment.first;
    part["last"] = segment.last;
    parts.push_back(std::move(part));
  }
  value["segments"] = Value(std::move(parts));
  return value;
}

std::vector<Segment> stitch(const std::vector<ModelInfo>& models, std::int64_t num_steps) {
  if (models.empty()) throw ConfigError("a sampler needs at least one model; name it by inputs = { model = \"domain\" }");
  std::vector<std::int64_t> ends;
  for (const auto& model : models) ends.push_back(range_end(model, num_steps));
  std::vector<Segment> segments;
  std::vector<bool> used(models.size());
  std::size_t user = models.size();
  for (std::int64_t step = num_steps; step > 0; --step) {  // the transition from `step` to the one below
    std::size_t first = 0;
    while (first < models.size() && step <= ends[first]) ++first;
    if (first == models.size()) {
      throw ConfigError(
          fmt::format("no model is for step {} of {} (steps remaining); name one that goes on to the sample, "
                      "as in inputs = {{ model = [\"<tuned>\", \"domain\"] }}",
                      step, num_steps));
    }
    if (first != user) segments.push_back({models[first], step, step});
    user = first;
    segments.back().last = step - 1;
    used[first] = true;
  }
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (used[i] || ends[i] == 0 || ends[i] == num_steps) continue;  // for all steps, or for none
    throw ConfigError(
        fmt::format("the model {} is for the steps above {} of {}, but one named before it takes them all; name it first, as in "
                    "inputs = {{ model = [\"<tuned>\", \"domain\"] }}",
                    models[i].digest.substr(0, 12), ends[i], num_steps));
  }
  return segments;
}

GuidedModel::GuidedModel(const Model& model, const TensorMap& condition, const TensorMap& null_condition, double guidance_scale)
    : model_(model), guidance_scale_(guidance_scale) {
  if (!model.network) throw InternalError("a model of role '" + model.info.role + "' has no network to sample with");
  embedded_ = model.network->embed(model.weights, condition);
  if (guidance_scale_ == 1.0) return;
  if (condition.empty()) {
    throw ConfigError(fmt::format("guidance_scale = {} needs conditions, and the domain has none; set guidance_scale = 1", guidance_scale));
  }
  embedded_ = both_halves(model.network->embed(model.weights, null_condition), embedded_);
}

State GuidedModel::predict(const State& noisy, double timestep) const {
  const auto& any = noisy.begin()->second;
  const bool guided = guidance_scale_ != 1.0;
  const auto batch = any.size(0);
  const auto times = at::full({guided ? 2 * batch : batch}, timestep, any.options().dtype(at::kFloat));
  if (!guided) return model_.network->predict(model_.weights, noisy, times, embedded_);
  State doubled;
  for (const auto& [name, tensor] : noisy) doubled[name] = at::cat({tensor, tensor});
  State out;
  for (const auto& [name, both] : model_.network->predict(model_.weights, doubled, times, embedded_)) {
    const auto uncond = both.narrow(0, 0, batch), cond = both.narrow(0, batch, batch);
    out[name] = uncond + guidance_scale_ * (cond - uncond);
  }
  return out;
}

}  // namespace espalier
