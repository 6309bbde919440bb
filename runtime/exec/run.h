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
  std::int64_t threads = 0;  // of training and of metrics; 0: as many as the cores this process may use
  std::int64_t workers = 0;  // threads of sampling and scoring; 0: `threads`
  Shard shard;
};

// Does all that the plan says, stage after stage, and gives what happened. Each stage's key is planned anew from the results before it.
// Damage met on the way is quarantined, reported, and computed again. Throws Stopped once what was done is saved, StageError, CacheError.
Record run(const config::PipelineSpec& spec, const plugin::Catalog& catalog, cache::Store& store, Progress& progress, const StopToken& stop,
           const RunOptions& options);

struct WorkDone {
  std::int64_t blocks = 0;           // computed
  std::vector<std::string> waiting;  // tags of sampling and scoring stages whose inputs are not there yet
};

// Only a shard's blocks of sampling and scoring, of the stages whose inputs are there.
WorkDone work(const config::PipelineSpec& spec, cache::Store& store, Progress& progress, const StopToken& stop, const RunOptions& options);

// What is measured of a stage of trajectories that has work and whose models are there: one evaluation of each model, one decoding.
struct StageProbe {
  double seconds = 0.0;                                         // of one worker, for all of the work
  double seconds_per_block = 0.0;                               // of one worker
  std::optional<double> seconds_per_decoding = std::nullopt;    // of one sample, where a model decodes it
  std::optional<std::int64_t> bytes_per_worker = std::nullopt;  // beside the models; none where the system does not say
  // Of each model with a variance preserving process: how it answers pure noise, a sentence, and whether that contradicts its scheduler.
  struct Model {
    std::string name;
    sampling::NoiseResponse response;
    std::string text;
    bool contradicts = false;
  };
  std::vector<Model> models;
};

// By the stages' tags.
std::map<std::string, StageProbe> probe(const config::PipelineSpec& spec, cache::Store& store, const StopToken& stop);

}  // namespace espalier::exec
