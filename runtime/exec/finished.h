#pragma once

#include <functional>
#include <string>

#include "runtime/base/progress.h"
#include "runtime/base/stop.h"
#include "runtime/cache/store.h"
#include "runtime/config/spec.h"
#include "runtime/exec/run.h"
#include "runtime/sdk/view.h"

namespace espalier::exec {

// The samples of a sampler stage, all of which are in the cache.
struct FinishedSamples {
  View view;               // without excluded samples
  Conditions conditions;   // of its split
  Hex set_id;              // what they are
  Hex decoder;             // digest of all that decoding depends on besides the states
  std::int64_t count = 0;  // trajectories of the view, excluded ones among them
};

// Passes a stage's samples to `use`, and computes nothing but their decoding; the store may be read-only. Returns what the cache lacks of
// them, "" if nothing: only then `use` was called. Errors of `use` name the stage. Throws ConfigError for a stage that gives no samples,
// Quarantined on damage.
std::string use_finished_samples(const config::PipelineSpec& spec, cache::Store& store, Progress& progress, const StopToken& stop,
                                 const RunOptions& options, const config::StageSpec& stage,
                                 const std::function<void(const FinishedSamples&)>& use);

}  // namespace espalier::exec
