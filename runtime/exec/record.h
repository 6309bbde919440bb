#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/sdk/findings.h"
#include "runtime/sdk/image.h"

namespace espalier::exec {

// What happened in a run: all that a report shows. Plain values; nothing here computes.

struct FindingsRecord {  // of a metric stage
  std::string stage;
  Findings findings;
  double time = std::numeric_limits<double>::quiet_NaN();  // seconds since 1970 when they were computed; NaN: not recorded
};

struct CurveRecord {
  std::string stage;
  std::string name;  // "loss", "learning_rate"
  std::vector<std::int64_t> step;
  std::vector<double> value;
  std::vector<double> time = {};  // seconds since 1970 when each was computed; NaN: not recorded
};

struct LawRecord {  // of a filter stage
  std::string stage;
  double acceptance_rate = 0.0;
  double kl_nats = 0.0;
  double expected_quantile = 0.0;
  std::int64_t accepted = 0;
  std::int64_t total = 0;
  std::int64_t invalid = 0;
  std::vector<double> quantile;
  std::vector<double> density;
  std::string formula;
};

struct ScoresRecord {  // of a reward stage: the histogram's raw values, without excluded samples
  std::string stage;
  std::string samples;  // the sampler stage scored
  std::vector<double> score;
  std::string reward = {};    // equal where one reward with the same options and model scored
  std::string baseline = {};  // the reward stage that a metric compares these scores with, of the same reward; "": none does
};

struct GalleryCell {
  Image image;
  double reward = 0.0;                                         // NaN: not scored
  double baseline = std::numeric_limits<double>::quiet_NaN();  // the reward of the column's baseline in this row; NaN: none
};
struct GalleryRow {
  std::string text;                // the prompt
  std::vector<GalleryCell> cells;  // one a column
};
// Samples of several sampler stages over the same conditions and noise, side by side.
struct Gallery {
  std::string split;
  std::vector<std::string> columns;  // sampler stage tags
  std::vector<GalleryRow> rows;
  std::vector<std::string> baselines = {};  // of each column, the column that a metric compares its scores with; "": none
};

// One sample written to samples/<stage>/<index>.png and named in metadata.jsonl, accepted.jsonl or rejected.jsonl.
struct SampleRecord {
  std::string stage;  // the sampler
  std::int64_t index = 0;
  std::string text;
  Image image;
  double reward = 0.0;    // NaN: not scored
  std::string selection;  // a filter stage, "" if none judged it
  bool accepted = false;
};

// A file that the domain makes of all samples of a stage's view.
struct FileRecord {
  std::string stage;
  std::string name;
  std::string text;
};

struct StageRecord {
  std::string tag;
  std::string type;
  std::string status;            // "run" or "reused"
  std::string because;           // why
  double start_seconds = 0.0;    // since the run began
  double seconds = 0.0;          // spent now and, of a training that was interrupted, by the attempts that this run went on from
  double earlier_seconds = 0.0;  // of these, spent before this run
  std::int64_t samples = 0;
  std::int64_t samples_run = 0;          // computed now
  std::int64_t network_evaluations = 0;  // spent now
  std::int64_t samples_decoded = 0;      // by a model's weights, now: those that the memory for decoded samples did not hold
  std::int64_t excluded = 0;             // of the samples: not finite; of inversions: not converged
  std::string key;
  Value made_by = Value::List{};  // a list: libraries, numerics_class and, of trajectories and scores, blocks of each that made them
  Value options;
  std::vector<std::string> inputs;  // tags of stages
};

struct Record {
  std::string name;
  std::string started;  // ISO 8601, UTC
  double seconds = 0.0;
  std::uint64_t seed = 0;
  std::string pipeline_file;
  std::string pipeline_text;
  std::vector<std::string> overrides;
  Value provenance;  // versions, numerics class, plugin libraries with digests
  std::vector<StageRecord> stages;
  std::vector<FindingsRecord> findings;
  std::vector<CurveRecord> curves;
  std::vector<LawRecord> laws;
  std::vector<ScoresRecord> scores;
  std::vector<Gallery> galleries;
  std::vector<FileRecord> files = {};
  std::vector<SampleRecord> samples;
};

}  // namespace espalier::exec
