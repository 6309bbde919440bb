#include "runtime/exchange/export.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/base/stop_notice.h"
#include "runtime/base/suggest.h"
#include "runtime/base/value.h"
#include "runtime/cli/pipeline.h"
#include "runtime/exec/finished.h"

namespace espalier::cli {
namespace {

const config::StageSpec& stage_of(const Pipeline& pipeline, const std::string& file, const std::string& tag) {
  if (const auto* found = pipeline.spec.find(tag)) return *found;
  std::vector<std::string> tags;
  for (const auto& stage : pipeline.spec.stages) tags.push_back(stage.tag);
  throw ConfigError(file + ": no stage has the tag '" + tag + "'" + did_you_mean(tag, tags));
}

void check_kind(const exchange::FormatInfo& format, const config::PipelineSpec& spec) {
  const auto kind = spec.domain->sample_kind();
  if (format.sample_kind.empty() || format.sample_kind == kind) return;
  throw ConfigError(fmt::format("--format {}: is for samples of the kind '{}'; {} has samples of the kind '{}'", format.name,
                                format.sample_kind, spec.domain_type, kind));
}

// A word as a shell reads it.
std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string run_command(const CommonOptions& common) {
  std::string text = "espalier run " + quoted(common.pipeline);
  for (const auto& override : common.overrides) text += " --set " + quoted(override);
  for (const auto& folder : common.plugin_dirs) text += " --plugin-dir " + quoted(folder);
  return text;
}

exchange::Manifest manifest_of(const std::string& format, const config::PipelineSpec& spec, const config::StageSpec& stage,
                               const exec::FinishedSamples& samples) {
  return {format, spec.name, stage.tag, Value::Map{{"set", samples.set_id}, {"decoder", samples.decoder}, {"count", samples.count}}, {}};
}

}  // namespace

int export_samples(const Args& args) {
  CommonOptions common;
  std::string tag, format_name, out;
  Arguments arguments(
      "export <pipeline.toml> <stage> --format FORMAT --out DIR",
      "Writes the samples of a sampler stage, which the cache holds, as other programs read them: imagefolder (Hugging Face), geneval, "
      "t2i_compbench, sdf (molecules) or coco (layouts). Computes nothing but their decoding.");
  add_pipeline_options(arguments, common);
  arguments.positional("stage", tag);
  arguments.text("format", format_name, "imagefolder, geneval, t2i_compbench, sdf or coco");
  arguments.text("out", out, "DIR: an absent or empty folder, which is there once it is complete");
  if (!arguments.parse(args)) return 0;

  const auto& format = exchange::find_format(format_name);
  if (out.empty()) throw ConfigError("--out is missing: name an absent or empty folder");
  exchange::AsideFolder folder(out);
  const SignalStop stop;
  const auto progress = common.progress();
  const auto pipeline = load_pipeline(common);
  const auto& stage = stage_of(pipeline, common.pipeline, tag);
  check_kind(format, pipeline.spec);
  std::size_t written = 0;
  const auto write = [&](const exec::FinishedSamples& samples) {
    auto manifest = manifest_of(format.name, pipeline.spec, stage, samples);
    stop_waits_for("the samples that are being written");
    progress->begin("export of '" + tag + "'", samples.view.size(), "samples");
    manifest.samples = exchange::export_samples(manifest, samples.view, samples.conditions, folder, [&](std::int64_t done) {
      if (stop.stop_requested()) throw Stopped("stopped; nothing was exported");
      progress->advance(done);
    });
    progress->end();
    folder.write(exchange::kManifestFile, manifest.to_text());
    written = manifest.samples.size();
  };
  std::string lacks = "there is no cache yet";
  if (std::filesystem::exists(pipeline.spec.cache_path)) {
    const auto store = cache::Store::open(pipeline.spec.cache_path, /*read_only=*/true);
    try {
      lacks = exec::use_finished_samples(pipeline.spec, *store, *progress, stop, run_options(common, ""), stage, write);
    } catch (const CacheError& damage) {
      throw CacheError(fmt::format("{}\nthis computes it again: {}", damage.what(), run_command(common)));
    }
  }
  if (!lacks.empty()) {
    throw StageError(fmt::format("{}: stage '{}' is not complete in the cache ({}); this makes it: {}", stage.where.to_string(), tag, lacks,
                                 run_command(common)));
  }
  folder.publish();
  const Value value = Value::Map{{"folder", out}, {"format", format.name}, {"samples", static_cast<std::int64_t>(written)}};
  print(common.json ? to_json(value, 2) + "\n" : fmt::format("{}: {} samples of '{}' as {}\n", out, written, tag, format.name));
  return 0;
}

}  // namespace espalier::cli
