#include "plugins/shared/flow/flow_sampler.h"

#include <fmt/format.h>

#include "plugins/shared/flow/solver.h"
#include "runtime/base/errors.h"
#include "runtime/sampling/stitch.h"

namespace espalier::flow {

bool is_corrector(const ModelInfo& model) { return model.corrects.has_value(); }

void FlowSampler::options(Schema& schema) {
  schema.integer("num_inference_steps", num_inference_steps_, "Steps N of equal length from noise to the sample.").at_least(1).at_most(1e5);
  sampling::declare_guidance(schema, guidance_);
}

std::vector<Phase> FlowSampler::phases(const std::vector<ModelInfo>& models, const ModelInfo*) const {
  auto phase = sampling::stitched_phase(models, {num_inference_steps_, guidance_}, name_, kProcess);
  for (const auto& model : models) {
    if (is_corrector(model) && guidance_.scale != 1.0) {
      throw ConfigError(fmt::format("{}: model {} is a noise corrector's flow, which is not guided; set guidance_scale = 1, not {}", name_,
                                    model.digest.substr(0, 12), guidance_.scale));
    }
  }
  phase.solver = rule_;
  return {phase};
}

std::unique_ptr<Solver> FlowSampler::solver(const Phase& phase) const { return make_solver(phase.solver); }

std::int64_t FlowSampler::predictions(const Phase& phase, const Segment& segment) const { return flow::predictions(phase.solver, segment); }

}  // namespace espalier::flow
