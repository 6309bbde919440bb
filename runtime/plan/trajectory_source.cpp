#include "runtime/plan/trajectory_source.h"

#include "runtime/sampling/run_sampling.h"

namespace espalier::plan {

std::shared_ptr<const TrajectorySource> trajectory_source(const config::StageSpec& stage) {
  if (const auto* source = stage.plugin.get_if<TrajectorySource>()) return {std::shared_ptr<const void>(), source};
  return sampling::source_of(stage.plugin.get<Sampler>());
}

}  // namespace espalier::plan
