#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/sdk/findings.h"
#include "runtime/sdk/image.h"

namespace espalier::exec {

// What happened in a run: all that a report shows, as plain values.

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

// How many of each condition's samples a filter stage accepted.
struct AcceptanceRecord {
  std::int64_t conditions = 0;     // that have samples to choose from, excluded ones left out
  std::int64_t none_accepted = 0;  // of these, without an accepted sample
  // Of the share of a condition's samples that is accepted, over the conditions; 0 without conditions. Quartiles by linear interpolation.
  double minimum = 0.0, lower_quartile = 0.0, median = 0.0, upper_quartile = 0.0, maximum = 0.0;
  double effective_conditions = 0.0;  // (sum w)^2 / sum w^2 of the accepted weight w of each condition
  struct Condition {
    std::string text;
    std::int64_t accepted = 0, total = 0;
  };
  std::vector<Condition> least = {}, most = {};  // the five with the smallest and the largest share, the first ones where shares are equal
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
  // Law; NaN and empty where the cached selection was made before they were recorded.
  intervals::Interval kl_interval = {kNone, kNone}, quantile_interval = {kNone, kNone};
  double kl_bias = kNone, quantile_bias = kNone, effective_sample_size = kNone;
  std::vector<double> reshaped_reward = {};
  AcceptanceRecord by_condition = {};

  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
};

struct ScoresRecord {  // of a reward stage: the histogram's raw values, without excluded samples
  std::string stage;
  std::string samples;  // the sampler stage whose samples were scored
  std::vector<double> score;
  std::string reward = {};    // equal for the same reward with the same options and model
  std::string baseline = {};  // the reward stage that a metric compares these scores with, of the same reward; "": none does
};

struct GalleryCell {
  Image image;
  double reward = 0.0;                                         // NaN: not scored
  double baseline = std::numeric_limits<double>::quiet_NaN();  // the reward that the column's baseline has in this row; NaN: none
};
struct GalleryRow {
  std::string text;                // the prompt
  std::vector<GalleryCell> cells;  // one per column
};
// Samples of several sampler stages over the same conditions and noise, side by side.
struct Gallery {
  std::string split;
  std::vector<std::string> columns;  // sampler stage tags
  std::vector<GalleryRow> rows;
  std::vector<std::string> baselines = {};  // for each column, the column with whose scores a metric compares its own; "": none
};

// One sample written to samples/<stage>/<index>.png and named in metadata.jsonl, accepted.jsonl or rejected.jsonl.
struct SampleRecord {
  std::string stage;  // the sampler
  std::int64_t index = 0;
  std::string text;
  Image image;
  double reward = 0.0;    // NaN: not scored
  std::string selection;  // the filter stage that accepted or rejected it; "": none
  bool accepted = false;
};

// A file that the codec writes for all samples of a stage's view.
struct FileRecord {
  std::string stage;
  std::string name;
  std::string text;
};

struct StageRecord {
  std::string tag;
  std::string origin = {};        // its tag in the file; differs from `tag` in copies that [sweep] and [rounds] make
  Value settings = Value::Map{};  // of such a copy: "<tag>.<option>" -> value
  std::int64_t round = 0;         // of [rounds], from 1; 0: none
  std::uint64_t seed = 0;         // of its random streams
  std::string type;
  std::string status;            // "run" or "reused"
  std::string because;           // why
  double start_seconds = 0.0;    // since the run began
  double seconds = 0.0;          // spent now and, for an interrupted training, by the attempts that this run resumed
  double earlier_seconds = 0.0;  // of these, spent before this run
  std::int64_t samples = 0;
  std::int64_t samples_run = 0;          // computed now
  std::int64_t network_evaluations = 0;  // spent now
  std::int64_t samples_decoded = 0;      // now, with a model's weights; those kept in memory are not decoded again
  std::int64_t excluded = 0;             // samples that are not finite, or inversions that did not converge
  std::string key;
  Value made_by = Value::List{};  // one entry per maker: libraries, numerics_class and, for trajectories and scores, number of blocks
  Value options;
  std::vector<std::string> inputs;  // tags of stages
};

// A metric's findings ended the run: stages behind it in the pipeline's order were not run.
struct StopRecord {
  std::string stage;   // the metric
  std::string reason;  // Findings::stop
  std::vector<std::string> not_run;
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
  std::optional<StopRecord> stopped_by = std::nullopt;
};

}  // namespace espalier::exec
