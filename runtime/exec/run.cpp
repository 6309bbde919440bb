#include "runtime/exec/run.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <functional>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/stop_notice.h"
#include "runtime/exec/context.h"
#include "runtime/exec/copies.h"
#include "runtime/exec/device.h"
#include "runtime/exec/excluded.h"
#include "runtime/exec/gallery.h"
#include "runtime/exec/measure.h"
#include "runtime/exec/stage_context.h"
#include "runtime/exec/stages.h"
#include "runtime/tensor/failure.h"

namespace espalier::exec {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostPasses = 5;  // over the plan, each after damage was quarantined

std::string now_utc() {
  const auto now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// NaN and infinite rewards are never selected; too many of them mean that the reward is broken. Excluded samples have no reward.
void check_scores(Context& context, const config::StageSpec& stage) {
  const auto scores = read_view_scores(context, stage.tag);
  const auto excluded = static_cast<std::int64_t>(excluded_samples(context, context.results.at(stage.tag).samples).size());
  const auto scored = static_cast<std::int64_t>(scores.size()) - excluded;
  const auto invalid = std::count_if(scores.begin(), scores.end(), [](double score) { return !std::isfinite(score); }) - excluded;
  const double share = scored == 0 ? 0.0 : static_cast<double>(invalid) / static_cast<double>(scored);
  if (share > stage.reward.max_invalid_fraction) {
    throw StageError(std::to_string(invalid) + " of " + std::to_string(scored) +
                     " scores are not finite, above max_invalid_fraction = " + std::to_string(stage.reward.max_invalid_fraction));
  }
}

StageRecord start_record(const plan::StagePlan& plan, double start) {
  StageRecord record;
  record.tag = plan.stage->tag;
  record.origin = plan.stage->origin.tag;
  record.settings = plan.stage->origin.settings;
  record.round = plan.stage->origin.round;
  record.seed = plan.stage->seed;
  record.type = plan.stage->type;
  record.status = plan.action == plan::Action::run ? "run" : "reused";
  record.because = plan.because;
  record.start_seconds = start;
  record.samples = plan.samples;
  record.key = plan.key;
  record.options = plan.stage->keyed;
  for (const auto& input : plan.stage->inputs) record.inputs.insert(record.inputs.end(), input.tags.begin(), input.tags.end());
  return record;
}

// Returns the makers of a stage's result, from the records in the cache; for trajectories and scores those of the view's blocks.
Value makers_of(Context& context, const config::StageSpec& stage, const plan::StagePlan& plan) {
  if (stage.kind->gives != ResultKind::trajectories && stage.kind->gives != ResultKind::scores) {
    const auto found = context.store.result(result_name(stage.kind->gives), plan.key);
    const auto* maker = found ? found->info.find("made_by") : nullptr;
    return maker ? Value(Value::List{*maker}) : Value(Value::List{});
  }
  std::map<std::uint64_t, cache::CommitInfo> commits;
  if (stage.kind->gives == ResultKind::scores) {
    commits = context.store.score_blocks(plan.result->set_id, plan.key);
  } else {
    for (const auto& [block, status] : context.store.blocks(plan.key)) commits.emplace(block, status.total);
  }
  std::map<Hex, std::pair<cache::Maker, std::int64_t>> blocks;  // by maker, the number of blocks of which it made a layer
  for (const auto& [block, commit] : commits) {
    if (static_cast<std::int64_t>(block) >= plan.blocks) continue;
    std::set<Hex> of_this;
    for (const auto& maker : commit.makers) {
      if (of_this.insert(maker.id()).second) ++blocks.try_emplace(maker.id(), maker, 0).first->second.second;
    }
  }
  Value::List list;
  for (const auto& [id, entry] : blocks) {
    auto value = entry.first.to_value();
    value["blocks"] = entry.second;
    list.push_back(std::move(value));
  }
  return list;
}

// Checks that the cache's entries of the stage are undamaged, even those that this run does not read: otherwise damage that no run reads
// would never be repaired.
void check_reused(Context& context, const plan::StagePlan& plan) {
  const auto& stage = *plan.stage;
  const auto gives = stage.kind->gives;
  std::vector<cache::Damage> damage;
  stop_waits_for("the check of what the cache holds of stage '" + stage.tag + "'");
  if (gives == ResultKind::trajectories) {
    context.store.mend_set(plan.request, &damage);
  } else if (gives == ResultKind::scores) {
    context.store.mend_scores(plan.result->set_id, plan.key, plan.request, &damage);
  } else if (!context.store.verified_result(result_name(gives), plan.key, &damage)) {
    throw_quarantined(damage, "the " + std::string(result_name(gives)) + " of stage '" + stage.tag + "'");
  }
  for (const auto& entry : damage) context.progress.say("stage '" + stage.tag + "': quarantined or written anew: " + entry.what);
}

StageRecord run_stage(Context& context, const config::StageSpec& stage, Clock::time_point begun) {
  context.check_stop();
  auto& plan = plan_here(context, stage);
  auto record = start_record(plan, seconds_since(begun));
  const auto start = Clock::now();
  const auto probed = probe_with_context(context, plan);
  record.because += probed;
  Work work;
  double waited = 0.0;  // for the blocks, of this stage and of those that were scored with it
  if (const auto ahead = context.scored_ahead.extract(stage.tag)) {
    work = ahead.mapped();
    record.status = "run";
    record.because = "scored block by block, together with other stages" + probed;
    record.start_seconds = std::chrono::duration<double>(work.begun - begun).count();
  } else if (plan.action == plan::Action::run) {
    const auto computing = Clock::now();
    work = compute_with_context(context, plan);
    waited = seconds_since(computing);
    plan::look_up(context.spec, context.store, plan);
    if (plan.action == plan::Action::run) throw Quarantined("stage '" + stage.tag + "' (" + plan.because + ")");
    record.because += probe_with_context(context, plan);  // of blocks that another maker published meanwhile
  }
  record.samples_run = work.samples;
  record.network_evaluations = work.network_evaluations;
  record.samples_decoded = work.samples_decoded;
  record.earlier_seconds = work.earlier_seconds;
  check_reused(context, plan);
  context.results.insert_or_assign(stage.tag, *plan.result);
  with_stage_context(stage, [&] {
    if (stage.kind->gives == ResultKind::scores) check_scores(context, stage);
    if (stage.kind->gives == ResultKind::trajectories) {
      record.excluded = stage.kind->from_examples ? check_inversion(context, stage) : check_excluded(context, stage);
    }
  });
  record.made_by = makers_of(context, stage, plan);
  record.seconds = record.earlier_seconds + work.seconds + seconds_since(start) - waited;
  return record;
}

// A stage that ran in an earlier pass is reused in the next, so the record of the earlier pass is kept.
void keep_record(std::vector<StageRecord>& records, StageRecord record) {
  const auto found = std::find_if(records.begin(), records.end(), [&](const auto& earlier) { return earlier.tag == record.tag; });
  if (found == records.end()) {
    records.push_back(std::move(record));
  } else if (record.status == "run") {
    record.samples_run += found->samples_run;
    record.network_evaluations += found->network_evaluations;
    record.samples_decoded += found->samples_decoded;
    record.seconds += found->seconds;
    record.earlier_seconds += found->earlier_seconds;
    record.start_seconds = found->start_seconds;
    *found = std::move(record);
  }
}

// Returns the libraries of the pipeline's plugins with their digests. Read before the first stage, because a library may be rebuilt during
// a long run.
Value libraries_of(const Context& context, const plugin::Catalog& catalog) {
  Value libraries;
  for (const auto& entry : catalog.entries()) {
    const auto used = std::any_of(context.spec.stages.begin(), context.spec.stages.end(),
                                  [&](const auto& stage) { return stage.type == entry.kind + "." + entry.name; }) ||
                      context.spec.domain_type == entry.kind + "." + entry.name;
    if (used) libraries[entry.kind + "." + entry.name] = Value::Map{{"library", entry.library}, {"sha256", digest_file(entry.library)}};
  }
  return libraries;
}

Value provenance(const Context& context, Value libraries) {
  Value::List notes;
  for (const auto& note : context.spec.notes) notes.emplace_back(note);
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return Value::Map{{"version", ESPALIER_VERSION},
                    {"numerics_class", context.spec.numerics_class},  // of sampling and scoring
                    {"training_threads", context.threads()},
                    {"workers", context.workers()},
                    {"host", std::string(host)},
                    {"cache", context.store.root().string()},
                    {"plugins", std::move(libraries)},
                    {"domain_notes", std::move(notes)}};
}

// The stages behind `stage`, which ends the run.
StopRecord stop_behind(const config::PipelineSpec& spec, const config::StageSpec& stage, std::string reason) {
  StopRecord stopped{stage.tag, std::move(reason), {}};
  const auto here = std::ranges::find(spec.stages, stage.tag, &config::StageSpec::tag);
  for (auto later = here + 1; later != spec.stages.end(); ++later) stopped.not_run.push_back(later->tag);
  return stopped;
}

// Returns a metric of an earlier round that has not been measured, nullptr if there is none: its findings may end the run.
const config::StageSpec* open_metric_before(const Context& context, const config::StageSpec& stage) {
  const auto found = std::ranges::find_if(context.spec.stages, [&](const auto& other) {
    return other.kind->gives == ResultKind::findings && other.origin.round > 0 && other.origin.round < stage.origin.round &&
           !context.results.contains(other.tag);
  });
  return found == context.spec.stages.end() ? nullptr : &*found;
}

// Computes a shard's part of a stage.
void work_on(Context& context, const config::StageSpec& stage, WorkDone& done) {
  context.check_stop();
  auto& plan = plan_here(context, stage);
  const auto gives = stage.kind->gives;
  const bool shared = gives == ResultKind::trajectories || gives == ResultKind::scores;
  const auto later = [&](const std::string& because) {
    context.progress.say("stage '" + stage.tag + "': left for later (" + because + ")");
    if (shared) done.waiting.push_back(stage.tag);
  };
  if (!plan.pending.empty()) return later(plan.because);
  if (const auto* metric = open_metric_before(context, stage)) return later("'" + metric->tag + "' may end the run");
  probe_with_context(context, plan);
  if (shared && plan.action == plan::Action::run) {
    const auto block_size = plan::samples_stage(context.spec, stage).sampler.block_size;
    done.blocks += compute_with_context(context, plan).samples / block_size;
    for (const auto& [tag, work] : std::exchange(context.scored_ahead, {})) done.blocks += work.samples / block_size;
  }
  if (shared) plan::look_up(context.spec, context.store, plan);
  probe_with_context(context, plan);  // of blocks that another maker published meanwhile
  if (plan.action == plan::Action::reuse) {
    context.results.insert_or_assign(stage.tag, *plan.result);
  } else {
    context.progress.say("stage '" + stage.tag + "': " + plan.because + ", left to other shards or to `run`");
  }
}

// Repeats a pass over the plan until it finds no damage. Damage that a pass quarantines is computed again in the next.
void until_undamaged(Context& context, const std::function<void()>& pass) {
  for (int passes = 1;; ++passes) {
    try {
      return pass();
    } catch (const Quarantined& damage) {
      if (passes == kMostPasses) throw CacheError(std::string("the cache keeps failing: ") + damage.what());
      context.progress.say(std::string("quarantined and computed again: ") + damage.what());
      context.results = context.folders;
      context.excluded.clear();
      context.scored_ahead.clear();
      context.blocks.clear();
      context.loaded.clear();  // a damaged model gets other files when it is made again
    }
  }
}

}  // namespace

Record run(const config::PipelineSpec& spec, const plugin::Catalog& catalog, cache::Store& store, Progress& progress, const StopToken& stop,
           const RunOptions& options) {
  const auto begun = std::chrono::steady_clock::now();
  const auto started = now_utc();
  stop_waits_for("the plan");
  Context context{spec, store, progress, stop, options, at::kCPU};
  plan_all(context);
  context.device = open_device(spec.device);
  auto libraries = libraries_of(context, catalog);
  std::vector<StageRecord> records;
  Record record;
  until_undamaged(context, [&] {
    record = {};
    for (const auto& stage : spec.stages) {
      keep_record(records, run_stage(context, stage, begun));
      const auto reason = show_warnings(context, stage);
      if (reason.empty()) continue;
      record.stopped_by = stop_behind(spec, stage, reason);
      break;
    }
    stop_waits_for("the report");
    record.stages = records;
    named<StageError>("the report's samples and curves", [&] { describe_results(context, record); });
  });
  if (auto found = findings_of_copies(record); !found.tables.empty()) record.findings.push_back({"sweep", std::move(found)});
  record.started = started;
  record.name = spec.name;
  record.seed = spec.seed;
  record.pipeline_file = spec.origin;
  record.pipeline_text = spec.text;
  record.overrides = spec.overrides;
  record.provenance = provenance(context, std::move(libraries));
  record.seconds = seconds_since(begun);
  return record;
}

WorkDone work(const config::PipelineSpec& spec, cache::Store& store, Progress& progress, const StopToken& stop, const RunOptions& options) {
  Context context{spec, store, progress, stop, options, at::kCPU};
  plan_all(context);
  context.device = open_device(spec.device);
  WorkDone done;
  until_undamaged(context, [&] {
    done.waiting.clear();
    for (const auto& stage : spec.stages) {
      work_on(context, stage, done);
      if (!context.results.contains(stage.tag)) continue;
      const auto reason = show_warnings(context, stage);
      if (reason.empty()) continue;
      done.stopped_by = stop_behind(spec, stage, reason);
      break;
    }
  });
  return done;
}

std::map<std::string, StageProbe> probe(const config::PipelineSpec& spec, cache::Store& store, const StopToken& stop) {
  const auto silent = make_silent_progress();
  const RunOptions options;
  Context context{spec, store, *silent, stop, options, open_device(spec.device)};
  plan_all(context);
  std::map<std::string, StageProbe> probes;
  until_undamaged(context, [&] {
    for (const auto& stage : spec.stages) {
      context.check_stop();
      const auto& plan = plan_here(context, stage);
      if (stage.kind->samples() && plan.pending.empty() && plan.action == plan::Action::run) {
        with_stage_context(stage, [&] { probes[stage.tag] = measure(context, plan); });
      }
      if (plan.result) context.results.insert_or_assign(stage.tag, *plan.result);
    }
  });
  return probes;
}

}  // namespace espalier::exec
