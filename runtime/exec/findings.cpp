// Measuring: from scores and trajectories in the cache to one small published entry of scalars and charts.
#include <ATen/Parallel.h>

#include "runtime/base/errors.h"
#include "runtime/exec/context.h"
#include "runtime/exec/journal.h"
#include "runtime/exec/views.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

Value::List floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

Value chart_value(const Chart& chart) {
  Value::List series;
  for (const auto& one : chart.series) {
    series.push_back(
        Value::Map{{"name", one.name}, {"x", floats(one.x)}, {"y", floats(one.y)}, {"low", floats(one.low)}, {"high", floats(one.high)}});
  }
  return Value::Map{{"name", chart.name},   {"x_label", chart.x_label}, {"y_label", chart.y_label},
                    {"log_x", chart.log_x}, {"log_y", chart.log_y},     {"series", std::move(series)}};
}

MetricInput metric_input(Context& context, const config::StageSpec& stage) {
  MetricInput input;
  input.key = {context.spec.seed, random::Purpose::evaluation, 0, 0};
  input.domain = context.spec.domain.get();
  input.device = context.device;
  for (const auto& named : stage.inputs) {
    for (const auto& tag : named.tags) {
      if (named.info.takes == ResultKind::trajectories) {
        input.samples.push_back(view_of(context, tag));
      } else if (named.info.takes == ResultKind::model) {
        input.model = context.model(tag);
      } else {
        const auto& scored = *context.spec.find(tag);
        input.scores[named.info.name].push_back({tag, read_view_scores(context, tag),
                                                 view_conditions(context, scored, context.results.at(tag).count),
                                                 context.spec.conditions(plan::samples_stage(context.spec, scored)).digest()});
      }
    }
  }
  return input;
}

}  // namespace

void compute_findings(Context& context, const plan::StagePlan& plan) {
  at::set_num_threads(context.threads());
  const auto findings = plan.stage->plugin.get<Metric>().measure(metric_input(context, *plan.stage));
  check_unchanged(context, plan);
  check_findings(plan.stage->type, findings);
  Value::List scalars, charts;
  for (const auto& scalar : findings.scalars) {
    scalars.push_back(Value::Map{{"name", scalar.name}, {"value", scalar.value}, {"low", scalar.low}, {"high", scalar.high}});
  }
  for (const auto& chart : findings.charts) charts.push_back(chart_value(chart));
  const Value content = Value::Map{{"scalars", scalars}, {"charts", charts}};
  Value info = content;
  info["time"] = seconds_since_1970();
  publish(context, plan, info, "findings.json", content);
}

}  // namespace espalier::exec
