// Measuring: computes a metric's findings from scores and trajectories in the cache, and publishes them as one entry.
#include <ATen/Parallel.h>

#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/exec/context.h"
#include "runtime/exec/journal.h"
#include "runtime/exec/selected.h"
#include "runtime/exec/views.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

MetricInput metric_input(Context& context, const config::StageSpec& stage) {
  MetricInput input;
  input.key = random::streams::metric(stage.seed);
  input.domain = context.spec.domain.get();
  input.context = context.stage_context();
  for (const auto& named : stage.inputs) {
    for (const auto& tag : named.tags) {
      if (named.info.takes == ResultKind::trajectories) {
        const auto& source = *context.spec.find(tag);
        input.samples.push_back(view_of(context, tag));
        if (!source.kind->from_examples) input.sampling.push_back(sampling_info(context, source));
      } else if (named.info.takes == ResultKind::model) {
        input.model = context.model(tag);
      } else if (named.info.takes == ResultKind::selection) {
        input.selection = trajectories_chosen_by(context, *context.spec.find(tag));
      } else {
        const auto& scored = *context.spec.find(tag);
        const auto& source = plan::samples_stage(context.spec, scored);
        ScoredView view{tag, read_view_scores(context, tag), view_conditions(context, scored, context.results.at(tag).count),
                        context.spec.conditions_digest(source), context.spec.conditions(source).metadata};
        view.samples = context.results.at(tag).samples;
        view.trajectories = view_of(context, view.samples);
        view.num_steps = context.results.at(tag).grid.num_steps();
        const auto& sampler = plan::samples_stage(context.spec, scored);
        if (const auto* start = sampler.input("start")) {
          view.start = start->tags.front();
          view.start_step = sampler.sampler.start_step.of(view.num_steps);
        }
        input.scores[named.info.name].push_back(std::move(view));
      }
    }
  }
  return input;
}

constexpr const char* kFindingsFile = "findings.json";

std::string image_file(std::size_t i) { return "image_" + std::to_string(i) + ".png"; }

void publish_findings(Context& context, const plan::StagePlan& plan, const Findings& findings) {
  const Value info = Value::Map{{"time", seconds_since_1970()}, {"made_by", plan::maker_of(context.spec, *plan.stage).to_value()}};
  const auto folder = context.store.new_folder();
  write_durable(folder / kFindingsFile, to_json(to_value(findings), 1) + "\n");
  for (std::size_t i = 0; i < findings.images.size(); ++i) write_durable(folder / image_file(i), encode_png(findings.images[i].image));
  require_unchanged_models(context, *plan.stage);
  context.store.publish_result(result_name(ResultKind::findings), plan.key, plan.request, info, folder);
}

}  // namespace

void compute_findings(Context& context, const plan::StagePlan& plan) {
  at::set_num_threads(context.threads());
  const auto findings = plan.stage->plugin.get<Metric>().measure(metric_input(context, *plan.stage));
  check_unchanged(context, plan);
  check_findings(plan.stage->type, findings);
  publish_findings(context, plan, findings);
}

Findings read_findings(Context& context, const config::StageSpec& stage) {
  const auto& key = context.results.at(stage.tag).key;
  const auto read = [&](const std::string& file) {
    std::vector<cache::Damage> damage;
    auto bytes = context.store.read_result(result_name(ResultKind::findings), key, file, &damage);
    if (!bytes) throw_quarantined(damage, "the findings of stage '" + stage.tag + "'");
    return std::move(*bytes);
  };
  auto findings = findings_from(parse_json(read(kFindingsFile), kFindingsFile));
  for (std::size_t i = 0; i < findings.images.size(); ++i) {
    findings.images[i].image = decode_png(read(image_file(i)), "image '" + findings.images[i].name + "' of stage '" + stage.tag + "'");
  }
  return findings;
}

std::string show_warnings(Context& context, const config::StageSpec& stage) {
  if (stage.kind->gives != ResultKind::findings) return "";
  const auto findings = read_findings(context, stage);
  for (const auto& warning : findings.warnings) context.progress.say("warning: stage '" + stage.tag + "': " + warning);
  if (!findings.stop.empty()) context.progress.say("stage '" + stage.tag + "' ends the run: " + findings.stop);
  return findings.stop;
}

}  // namespace espalier::exec
