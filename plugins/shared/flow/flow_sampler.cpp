#include "plugins/shared/flow/flow_sampler.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "plugins/shared/flow/solver.h"
#include "runtime/base/errors.h"

namespace espalier::flow {

bool is_corrector(const ModelInfo& model) { return model.corrects.has_value(); }

void FlowSampler::options(Schema& schema) {
  schema.integer("num_inference_steps", num_inference_steps_, "Steps N of equal length from noise to the sample.").at_least(1).at_most(1e5);
  schema
      .number("guidance_scale", guidance_scale_,
              "Classifier-free guidance: uncond + scale (cond - uncond); 1 asks the network once where guidance asks it twice.")
      .at_least(0.0);
}

std::vector<Phase> FlowSampler::phases(const std::vector<ModelInfo>& models, const ModelInfo*) const {
  auto phase = stitched_phase(models, num_inference_steps_, name_, kProcess);
  for (const auto& model : models) {
    if (is_corrector(model) && guidance_scale_ != 1.0) {
      throw ConfigError(fmt::format("{}: model {} is a noise corrector's flow, which is not guided; set guidance_scale = 1, not {}", name_,
                                    model.digest.substr(0, 12), guidance_scale_));
    }
  }
  for (auto& segment : phase.segments) segment.solver = solver_;
  return {phase};
}

std::int64_t FlowSampler::network_evaluations(const Segment& segment) const {
  return solver(segment.solver).predictions(segment) * (guidance_of(segment.model) == 1.0 ? 1 : 2);
}

void FlowSampler::sample(const SampleJob& job, Recorder& recorder) const {
  const c10::InferenceMode no_gradients;
  job.draws.begin(0);
  State x = job.models.front().front()->process->prior(job.spec, job.draws);
  for (auto& [name, value] : x) value = value.to(job.device);
  for (std::size_t i = 0; i < job.phases.size(); ++i) {
    if (job.phases[i].start != (i == 0 ? "noise" : "previous")) throw InternalError(name_ + " was given phases that it did not make");
    x = run(job, i, std::move(x), i + 1 == job.phases.size() ? &recorder : nullptr);
  }
}

State FlowSampler::run(const SampleJob& job, std::size_t phase, State x, Recorder* recorder) const {
  const auto& [start, process, grid, segments] = job.phases[phase];
  if (recorder) recorder->record(grid.at(grid.num_steps()), x);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto& model = *job.models[phase][i];
    const GuidedModel guided(model, job.condition, job.null_condition, guidance_of(segments[i].model));
    const auto& rule = solver(segments[i].solver);
    for (auto n = segments[i].first; n > segments[i].last; --n) {
      x = rule.step(guided, *model.process, x, grid.at(n), grid.at(n - 1), job.draws);
      if (recorder) recorder->record(grid.at(n - 1), x);
    }
  }
  return x;
}

}  // namespace espalier::flow
