#pragma once

#include <string>
#include <vector>

#include "runtime/base/progress.h"
#include "runtime/base/stop.h"
#include "runtime/cache/store.h"
#include "runtime/config/spec.h"
#include "runtime/exec/record.h"
#include "runtime/plugin/catalog.h"
#include "runtime/sampling/noise_response.h"

namespace espalier::exec {

// One machine's part of a run.
struct Shard {
  std::int64_t number = 1;  // 1..count
  std::int64_t count = 1;
};

struct RunOptions {
  std::int64_t threads = 0;  // of training and of metrics; 0: the number of cores that this process may use
  std::int64_t workers = 0;  // threads of sampling and scoring; 0: `threads`
  Shard shard;
};

// Runs the plan, stage after stage (stages that score the same samples together), and returns the record of the run. The run ends after a
// metric stage whose findings end it: the stages behind it are neither made nor read, and the record names them. A stage is planned
// again once the results of its inputs exist. Damage that is found is quarantined, reported and computed again. Throws Stopped after all
// finished work is saved, StageError, CacheError.
Record run(const config::PipelineSpec& spec, const plugin::Catalog& catalog, cache::Store& store, Progress& progress, const StopToken& stop,
           const RunOptions& options);

struct WorkDone {
  std::int64_t blocks = 0;           // computed
  std::vector<std::string> waiting;  // tags of sampling and scoring stages whose inputs are not there yet
  std::optional<StopRecord> stopped_by = std::nullopt;
};

// Computes only a shard's blocks of sampling and scoring, for the stages whose inputs exist. A stage of [rounds] also waits for the metrics
// of the rounds before it; no stage behind a metric that ends the run is computed.
WorkDone work(const config::PipelineSpec& spec, cache::Store& store, Progress& progress, const StopToken& stop, const RunOptions& options);

// What is measured of a stage that has trajectories to compute and whose models exist: one evaluation of each model, one decoding.
struct StageProbe {
  double seconds = 0.0;                                         // of one worker, for all of the work
  double seconds_per_block = 0.0;                               // of one worker
  std::optional<double> seconds_per_decoding = std::nullopt;    // of one sample, if a model decodes it
  std::optional<std::int64_t> bytes_per_worker = std::nullopt;  // besides the models; none if the system does not report it
  // For each model with a variance preserving process: its response to pure noise, a sentence about it, and whether it contradicts the
  // model's scheduler.
  struct Model {
    std::string name;
    sampling::NoiseResponse response;
    std::string text;
    bool contradicts = false;
  };
  std::vector<Model> models;
};

// Measures the stages of a pipeline. Returns the results by the stages' tags.
std::map<std::string, StageProbe> probe(const config::PipelineSpec& spec, cache::Store& store, const StopToken& stop);

}  // namespace espalier::exec
