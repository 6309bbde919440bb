#pragma once

#include <string>
#include <vector>

#include "runtime/base/progress.h"
#include "runtime/base/stop.h"
#include "runtime/cache/store.h"
#include "runtime/config/spec.h"
#include "runtime/exec/run.h"
#include "runtime/selection/selection.h"

namespace espalier::exec {

// What a filter stage would choose.
struct WhatIf {
  const config::StageSpec* stage = nullptr;
  std::int64_t accepted = 0, total = 0;
  std::int64_t none_accepted = 0;  // conditions without an accepted sample
  Law law;
  double accepted_score = 0.0, mean_score = 0.0;  // weighted mean of the filter's score over the accepted samples, mean over all
  struct Judge {
    std::string reward;  // tag
    double accepted_score = 0.0, mean_score = 0.0;
  };
  std::vector<Judge> judges = {};
};

// Lets every filter stage of the pipeline choose from scores in the cache, and stores nothing; the store may be read-only. `judges`: reward
// stages whose scores of the same samples are averaged over what is accepted. Stages that no filter depends on are not looked at. Throws
// ConfigError for a judge that is no reward stage or of other samples, StageError naming what the cache lacks, Quarantined on damage.
std::vector<WhatIf> what_if(const config::PipelineSpec& spec, cache::Store& store, Progress& progress, const StopToken& stop,
                            const RunOptions& options, const std::vector<std::string>& judges);

}  // namespace espalier::exec
