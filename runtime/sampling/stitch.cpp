#include "runtime/sampling/stitch.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::sampling {
namespace {

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

Value without(const std::vector<std::string>& names, const Value& process) {
  auto fields = process.as_map();
  for (const auto& name : names) fields.erase(name);
  return Value(std::move(fields));
}

bool same_grid(const diffusion::Grid& one, const diffusion::Grid& other) {
  return std::ranges::equal(one.points, other.points, [](const auto& a, const auto& b) {
    return a.timestep == b.timestep && a.level.alpha == b.level.alpha && a.level.sigma == b.level.sigma;
  });
}

// Stitched models hand a state over, so all but what their networks predict must be one process, and its grid one. Of spacings the grid
// shows whether they differ: a file may name the one that is the default.
const std::vector<std::string> kOfTheModel = {"prediction_type"}, kOfTheGrid = {"prediction_type", "timestep_spacing"};

std::string different_processes(const std::string& sampler, const Value& first, const Value& other) {
  std::string fields;
  for (const auto& difference : differences(without(kOfTheModel, first), without(kOfTheModel, other))) {
    fields += fmt::format("; {}: {} and {}", difference.path, difference.before, difference.after);
  }
  return sampler + ": models of different noise processes cannot be stitched" + fields;
}

void check_guidance(const std::vector<ModelInfo>& models, const Guidance& guidance, const std::string& sampler) {
  if (guidance.scale == 1.0) {
    const char* const vain = guidance.negative_prompt ? "negative_prompt" : guidance.rescale != 0.0 ? "guidance_rescale" : nullptr;
    if (vain == nullptr) return;
    throw ConfigError(fmt::format("{}: {} has no effect at guidance_scale = 1; leave it out, or set another scale", sampler, vain));
  }
  if (!guidance.negative_prompt) return;
  for (const auto& model : models) {
    if (!model.text_front.empty()) continue;
    throw ConfigError(fmt::format("{}: the model {} takes no texts, and negative_prompt has no effect on it; leave it out", sampler,
                                  model.digest.substr(0, 12)));
  }
}

}  // namespace

void declare_guidance(Schema& schema, Guidance& guidance) {
  schema
      .number("guidance_scale", guidance.scale,
              "Classifier-free guidance: uncond + scale (cond - uncond); 1 runs the network once where guidance runs it twice.")
      .at_least(0.0);
  schema
      .number("guidance_rescale", guidance.rescale,
              "How far the deviation of the guided prediction is brought back to that of the conditional one (Lin et al. 2023).")
      .at_least(0.0)
      .at_most(1.0)
      .unkeyed_default();
  schema
      .text("negative_prompt", guidance.negative_prompt,
            "What guidance leads away from: the text of the null condition. Without it that is the empty text, which models with "
            "force_zeros_for_empty_prompt (SDXL) embed as zeros.")
      .unkeyed_default();
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

Phase stitched_phase(const std::vector<ModelInfo>& models, const Schedule& schedule, const std::string& sampler,
                     const std::string& process) {
  check_guidance(models, schedule.guidance, sampler);
  const auto grid_of = [&](const auto& own) { return schedule.grid ? schedule.grid(own) : own.grid(schedule.num_steps); };
  Phase phase;
  for (const auto& model : models) {
    const auto own = process_of(model, sampler, process);
    if (phase.grid.points.empty()) {
      phase.grid = grid_of(*own);
      phase.process = own->config();
    } else if (without(kOfTheGrid, own->config()) != without(kOfTheGrid, phase.process) || !same_grid(grid_of(*own), phase.grid)) {
      throw ConfigError(different_processes(sampler, phase.process, own->config()));
    }
  }
  phase.segments = stitch(models, schedule.num_steps);
  for (auto& segment : phase.segments) segment.guidance = schedule.guidance;
  return phase;
}

std::vector<Segment> stitch(const std::vector<ModelInfo>& models, std::int64_t num_steps) {
  if (models.empty()) throw ConfigError("a sampler needs at least one model; name it by inputs = { model = \"<base>\" }");
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
                      "as in inputs = {{ model = [\"<tuned>\", \"<base>\"] }}",
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
                    "inputs = {{ model = [\"<tuned>\", \"<base>\"] }}",
                    models[i].digest.substr(0, 12), ends[i], num_steps));
  }
  return segments;
}

Phase renoised_phase(Phase phase, std::int64_t first) {
  std::vector<Segment> segments;
  for (auto segment : phase.segments) {
    segment.first = std::min(segment.first, first);
    if (segment.first > segment.last) segments.push_back(std::move(segment));
  }
  phase.segments = std::move(segments);
  phase.start = renoise_start(first);
  return phase;
}

}  // namespace espalier::sampling
