#include "runtime/exec/run.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cli/command.h"
#include "runtime/cli/pipeline.h"
#include "runtime/report/report.h"

namespace espalier::cli {
namespace {

// runs/<name>/<UTC time>, with a suffix where two runs begin within a second.
std::filesystem::path new_run_folder(const config::PipelineSpec& spec) {
  const auto now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char time[32];
  std::strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &parts);
  auto folder = spec.runs_path / spec.name / time;
  for (int i = 2; std::filesystem::exists(folder); ++i) folder = spec.runs_path / spec.name / fmt::format("{}-{}", time, i);
  return folder;
}

// Checked before the work, so that a day of sampling does not end in a report that cannot be written.
void make_runs_folder(const config::PipelineSpec& spec) {
  std::error_code error;
  std::filesystem::create_directories(spec.runs_path / spec.name, error);
  if (error) throw ConfigError((spec.runs_path / spec.name).string() + ": cannot make the folder of the reports: " + error.message());
}

std::string interval(const Scalar& scalar) {
  if (std::isnan(scalar.low)) return "";
  return fmt::format("  [{:.5g}, {:.5g}]", scalar.low, scalar.high);
}

// With --quiet, where no progress showed them.
void show_warnings(const exec::Record& record) {
  for (const auto& [stage, findings, time] : record.findings) {
    for (const auto& warning : findings.warnings) fmt::print(stderr, "warning: stage '{}': {}\n", stage, warning);
  }
}

std::string summary(const exec::Record& record) {
  std::string text;
  for (const auto& stage : record.stages) {
    text += fmt::format("{:<7} {:<24} {:>8.1f} s  {}\n", stage.status, stage.tag, stage.seconds, stage.because);
  }
  for (const auto& [stage, findings, time] : record.findings) {
    const auto names = unique_names(findings.scalars);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto& scalar = findings.scalars[i];
      text += fmt::format("{:<24} {:<20} {:>10.5g}{}\n", stage, names[i], scalar.value, interval(scalar));
    }
  }
  return record.stopped_by ? text + stopped_text(*record.stopped_by) : text;
}

}  // namespace

int run(const Args& args) {
  CommonOptions common;
  std::string workers;
  Arguments arguments("run <pipeline.toml>", "Runs a pipeline; what the cache holds is reused. Run again, it goes on where it stopped.");
  add_pipeline_options(arguments, common);
  arguments.text("workers", workers, "N: threads of sampling and scoring (default: --threads)");
  if (!arguments.parse(args)) return 0;

  const auto options = run_options(common, workers);
  const SignalStop stop;
  const auto progress = common.progress();
  const auto pipeline = load_pipeline(common);
  make_runs_folder(pipeline.spec);
  const auto store = open_store(pipeline.spec);
  const auto record = exec::run(pipeline.spec, pipeline.catalog, *store, *progress, stop, options);
  const auto page = report::write(record, new_run_folder(pipeline.spec));
  if (common.quiet) show_warnings(record);
  if (common.json) {
    print(read_file(page.parent_path() / "report.json"));
  } else {
    print(summary(record) + "report: " + page.string() + "\n");
  }
  return 0;
}

}  // namespace espalier::cli
