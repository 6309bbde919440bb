#include "runtime/plan/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/stop.h"
#include "runtime/cli/pipeline.h"
#include "runtime/exec/run.h"

namespace espalier::cli {
namespace {

constexpr double kLongBlock = 300.0;  // seconds

Value stage_value(const plan::StagePlan& stage, const exec::StageProbe& probe) {
  Value value = Value::Map{{"tag", stage.stage->tag},
                           {"type", stage.stage->type},
                           {"action", plan::action_text(stage)},
                           {"because", stage.because},
                           {"key", stage.key},
                           {"samples", stage.samples},
                           {"samples_to_compute", stage.samples_to_compute},
                           {"samples_beyond_view", stage.samples_beyond_view},
                           {"network_evaluations", stage.network_evaluations},
                           {"bytes", stage.bytes}};
  if (stage.seconds) value["seconds"] = *stage.seconds;
  if (probe.seconds_per_block > 0.0) value["seconds_per_block"] = probe.seconds_per_block;
  if (probe.seconds_per_decoding) value["seconds_per_decoding"] = *probe.seconds_per_decoding;
  if (probe.bytes_per_worker) value["bytes_per_worker"] = *probe.bytes_per_worker;
  for (const auto& model : probe.models) {
    value["predictions"][model.name] = Value::Map{{"timestep", model.response.timestep},
                                                  {"slope", model.response.slope},
                                                  {"shows", sampling::shown_prediction(model.response)},
                                                  {"contradicts", model.contradicts}};
  }
  return value;
}

// `block_size`: of the trajectories that the stage is about.
std::string stage_line(const plan::StagePlan& stage, std::int64_t block_size, std::size_t action_width) {
  auto line =
      fmt::format("{:<{}} {:<24} {:<24} {}", plan::action_text(stage), action_width, stage.stage->tag, stage.stage->type, stage.because);
  if (stage.samples_to_compute > 0) line += fmt::format("; {} samples", stage.samples_to_compute);
  if (stage.samples_beyond_view > 0) {
    line +=
        fmt::format(", {} of them beyond the view: blocks of block_size = {} are computed whole", stage.samples_beyond_view, block_size);
  }
  if (stage.network_evaluations > 0) line += fmt::format("; {} network evaluations", stage.network_evaluations);
  if (stage.bytes > 0) line += fmt::format("; {:.1f} MB", static_cast<double>(stage.bytes) / 1e6);
  if (stage.seconds) line += fmt::format("; about {:.0f} s of one worker", *stage.seconds);
  return line + "\n";
}

// What was measured, and what a person should do about it.
std::string probe_lines(const exec::StageProbe& probe, std::int64_t block_size) {
  std::string text;
  if (probe.seconds_per_block > 0.0) {
    text += fmt::format("  one worker: {:.3g} s a block of {}", probe.seconds_per_block, block_size);
    if (probe.seconds_per_decoding) text += fmt::format(", {:.3g} s to decode a sample", *probe.seconds_per_decoding);
    if (probe.bytes_per_worker) text += fmt::format(", {:.1f} MB beside the models", static_cast<double>(*probe.bytes_per_worker) / 1e6);
    text += "\n";
  }
  if (probe.seconds_per_block > kLongBlock && block_size > 1) {
    const auto shorter = static_cast<std::int64_t>(static_cast<double>(block_size) * kLongBlock / probe.seconds_per_block);
    text += fmt::format(
        "  warning: a run that is stopped waits for its blocks, and one that is killed loses them: block_size = {} is shorter\n",
        std::max<std::int64_t>(1, shorter));
  }
  for (const auto& model : probe.models) {
    text += fmt::format("  {}model '{}': {}\n", model.contradicts ? "warning: " : "", model.name, model.text);
  }
  return text;
}

}  // namespace

int plan(const Args& args) {
  CommonOptions common;
  bool probe = false;
  Arguments arguments("plan <pipeline.toml>", "Says for each stage whether it would run or be reused, why, and what it would cost.");
  add_pipeline_options(arguments, common);
  arguments.flag("probe", probe,
                 "measure one evaluation of each model of the sampling stages with work: time, memory, and what the model predicts");
  if (!arguments.parse(args)) return 0;

  const auto pipeline = load_pipeline(common);
  auto stages = plan::make(pipeline.spec, *open_index(pipeline.spec));
  std::map<std::string, exec::StageProbe> measured;
  keep_digests(pipeline);
  if (probe) {
    const SignalStop stop;
    const auto store = open_store(pipeline.spec);
    measured = exec::probe(pipeline.spec, *store, stop);
    for (auto& stage : stages) {
      if (const auto found = measured.find(stage.stage->tag); found != measured.end()) stage.seconds = found->second.seconds;
    }
  }
  if (common.json) {
    Value::List list;
    for (const auto& stage : stages) list.push_back(stage_value(stage, measured[stage.stage->tag]));
    print(to_json(Value(Value::Map{{"name", pipeline.spec.name}, {"stages", list}}), 2) + "\n");
  } else {
    std::size_t width = 6;
    for (const auto& stage : stages) width = std::max(width, plan::action_text(stage).size());
    for (const auto& stage : stages) {
      const auto block_size = plan::samples_stage(pipeline.spec, *stage.stage).sampler.block_size;
      print(stage_line(stage, block_size, width) + probe_lines(measured[stage.stage->tag], block_size));
    }
  }
  return 0;
}

}  // namespace espalier::cli
