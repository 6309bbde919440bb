#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/base/value.h"
#include "runtime/cli/pipeline.h"
#include "runtime/exec/what_if.h"
#include "runtime/report/files.h"
#include "runtime/report/scatter.h"

namespace espalier::cli {
namespace {

Value number(double value) { return std::isfinite(value) ? Value(value) : Value(nullptr); }

Value interval(const intervals::Interval& bounds) { return Value::List{number(bounds.low), number(bounds.high)}; }

Value value_of(const exec::WhatIf& row) {
  Value::List judges;
  for (const auto& judge : row.judges) {
    judges.push_back(Value::Map{{"reward", judge.reward}, {"accepted", number(judge.accepted_score)}, {"mean", number(judge.mean_score)}});
  }
  return Value::Map{{"stage", row.stage->tag},
                    {"type", row.stage->type},
                    {"options", row.stage->keyed},
                    {"settings", row.stage->origin.settings},
                    {"accepted", row.accepted},
                    {"total", row.total},
                    {"conditions_with_none_accepted", row.none_accepted},
                    {"acceptance_rate", number(row.law.acceptance_rate)},
                    {"kl_nats", number(row.law.kl_nats)},
                    {"kl_interval", interval(row.law.kl_interval)},
                    {"kl_bias", number(row.law.kl_bias)},
                    {"expected_quantile", number(row.law.expected_quantile)},
                    {"quantile_interval", interval(row.law.quantile_interval)},
                    {"quantile_bias", number(row.law.quantile_bias)},
                    {"effective_sample_size", number(row.law.effective_sample_size)},
                    {"formula", row.law.formula},
                    {"accepted_score", number(row.accepted_score)},
                    {"mean_score", number(row.mean_score)},
                    {"judges", std::move(judges)}};
}

std::string table_of(const std::vector<exec::WhatIf>& rows) {
  std::size_t width = 6;
  for (const auto& row : rows) width = std::max(width, row.stage->tag.size());
  std::string text = fmt::format("{:<{}}  {:>15}  {:>15}  {:>6}  {:>8}  {:>6}  {:>18}", "filter", width, "accepted", "conditions at 0",
                                 "rate", "KL nats", "E[u]", "score (mean)");
  for (const auto& judge : rows.front().judges) text += fmt::format("  {:>18}", judge.reward.substr(0, 18));
  text += "\n";
  const auto pair = [](double accepted, double mean) { return fmt::format("{:.4g} ({:.4g})", accepted, mean); };
  for (const auto& row : rows) {
    text += fmt::format("{:<{}}  {:>15}  {:>15}  {:>6.3f}  {:>8.4f}  {:>6.3f}  {:>18}", row.stage->tag, width,
                        fmt::format("{} of {}", row.accepted, row.total), row.none_accepted, row.law.acceptance_rate, row.law.kl_nats,
                        row.law.expected_quantile, pair(row.accepted_score, row.mean_score));
    for (const auto& judge : row.judges) text += fmt::format("  {:>18}", pair(judge.accepted_score, judge.mean_score));
    text += "\n";
  }
  return text;
}

// Of the first judge where there is one: what the filter's own reward gains is what it selects for.
std::string plot_of(const std::vector<exec::WhatIf>& rows) {
  std::vector<report::ScatterPoint> points;
  const bool judged = !rows.front().judges.empty();
  for (const auto& row : rows) {
    const double y = judged ? row.judges.front().accepted_score : row.accepted_score;
    if (std::isfinite(y) && std::isfinite(row.law.kl_nats)) points.push_back({row.stage->tag, row.law.kl_nats, y});
  }
  if (points.empty()) throw StageError("no filter has a finite KL and score, so that there is nothing to plot");
  return report::scatter_svg(points, "KL to the base, nats",
                             judged ? "accepted samples' mean " + rows.front().judges.front().reward : "accepted samples' mean score");
}

}  // namespace

int select(const Args& args) {
  CommonOptions common;
  bool what_if = false;
  std::vector<std::string> judges;
  std::string plot;
  Arguments arguments("select <pipeline.toml> --what-if",
                      "Shows what each filter of the pipeline would accept of the scores in the cache, and the law that it would leave. "
                      "Computes no sample and no score, and stores nothing. A grid of rules is a sweep: --set sweep.best.k=[1,2,4].");
  add_pipeline_options(arguments, common);
  arguments.flag("what-if", what_if, "required: selections that later stages use are made by `run`");
  arguments.texts("judge", judges, "TAG: a reward stage of the same samples, whose mean over the accepted samples is shown; repeatable");
  arguments.text("plot", plot, "FILE: an SVG of the accepted samples' mean score (of the first judge, if there is one) against the KL");
  if (!arguments.parse(args)) return 0;
  if (!what_if) throw ConfigError("select: --what-if is missing; selections that later stages use are made by `espalier run`");

  const SignalStop stop;
  const auto progress = common.progress();
  const auto pipeline = load_pipeline(common);
  if (!std::filesystem::exists(pipeline.spec.cache_path)) {
    throw StageError(
        fmt::format("{}: there is no cache '{}' yet; run the pipeline first", common.pipeline, pipeline.spec.cache_path.string()));
  }
  const auto store = cache::Store::open(pipeline.spec.cache_path, /*read_only=*/true);
  const auto rows = exec::what_if(pipeline.spec, *store, *progress, stop, run_options(common, ""), judges);
  if (rows.empty()) throw ConfigError(common.pipeline + ": has no filter stage");
  if (!plot.empty()) report::write_file(plot, plot_of(rows));
  Value::List values;
  for (const auto& row : rows) values.push_back(value_of(row));
  print(common.json ? to_json(Value(std::move(values)), 2) + "\n" : table_of(rows));
  return 0;
}

}  // namespace espalier::cli
