#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/base/stop.h"
#include "runtime/base/value.h"
#include "runtime/cli/pipeline.h"
#include "runtime/exec/run.h"

namespace espalier::cli {
namespace {

exec::Shard parse_shard(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) throw ConfigError("--shard: found '" + text + "', i/n is wanted, such as 3/16");
  const exec::Shard shard{parse_count(text.substr(0, slash), "shard"), parse_count(text.substr(slash + 1), "shard")};
  if (shard.number > shard.count) throw ConfigError("--shard: found '" + text + "', i must be from 1 to n");
  return shard;
}

std::string in_words(const exec::WorkDone& done) {
  auto text = fmt::format("{} blocks computed\n", done.blocks);
  if (done.stopped_by) text += stopped_text(*done.stopped_by);
  if (done.waiting.empty()) return text;
  text += "waiting for inputs that are not there yet (other shards, or `espalier run`, make them):";
  for (const auto& tag : done.waiting) text += " '" + tag + "'";
  return text + "\n";
}

}  // namespace

int work(const Args& args) {
  CommonOptions common;
  std::string shard;
  std::string workers;
  Arguments arguments(
      "work <pipeline.toml>",
      "Computes a shard's blocks of sampling and scoring, for any launcher to share the work. Exit code 76: all that could be "
      "computed is, and some of these stages wait for inputs that are not there yet.");
  add_pipeline_options(arguments, common);
  arguments.text("shard", shard, "i/n: every n-th block, from the i-th (default 1/1)");
  arguments.text("workers", workers, "N: threads of sampling and scoring (default: --threads)");
  if (!arguments.parse(args)) return 0;

  auto options = run_options(common, workers);
  if (!shard.empty()) options.shard = parse_shard(shard);
  const SignalStop stop;
  const auto progress = common.progress();
  const auto pipeline = load_pipeline(common);
  const auto store = open_store(pipeline.spec);
  const auto done = exec::work(pipeline.spec, *store, *progress, stop, options);
  Value value = Value::Map{{"blocks", done.blocks}, {"waiting", Value::List(done.waiting.begin(), done.waiting.end())}};
  if (done.stopped_by) value["stopped_by"] = Value::Map{{"stage", done.stopped_by->stage}, {"reason", done.stopped_by->reason}};
  print(common.json ? to_json(value) + "\n" : in_words(done));
  return static_cast<int>(done.waiting.empty() ? ExitCode::ok : ExitCode::inputs_missing);
}

}  // namespace espalier::cli
