// How far a model's trajectories are from the base's, in nats: KL(q || p) of the paths, measured step by step.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "plugins/metric/path_kl/drift.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/bootstrap.h"

namespace {

using namespace espalier;

constexpr const char* kName = "metric.path_kl";

std::string listed(const std::vector<std::int64_t>& steps) {
  std::string text;
  for (const auto step : steps) text += (text.empty() ? "" : ", ") + std::to_string(step);
  return text;
}

class PathKl final : public Metric {
 public:
  void options(Schema& schema) override {
    schema.integer("batch_size", batch_size_, "Samples a forward pass; guidance doubles its rows.").at_least(1).at_most(65536);
  }

  void inputs(Inputs& in) override {
    in.trajectories("samples", "Of the model to judge: a trained one, stitched or not; every step is read.").sampled().many().transitions();
    in.model("model", "The base, from whose trajectories the distance is measured.").of("denoiser");
  }

  void check_inputs(const PlannedInputs& inputs) const override {
    for (const auto& view : inputs.views.at("samples")) {
      for (const auto& [name, field] : view.codec->spec()) {
        if (c10::isFloatingType(field.dtype)) continue;
        throw ConfigError(fmt::format("{}: the states of '{}' have tokens ('{}'), whose steps are no Gaussians", kName, view.tag, name));
      }
    }
  }

  Findings measure(const MetricInput& input) const override {
    Findings findings;
    Chart chart{"path_kl_by_step", "steps remaining", "nats a sample"};
    for (std::size_t i = 0; i < input.samples.size(); ++i) {
      const auto& view = input.samples[i];
      const auto drift = path_kl::drift(kName, view, input.sampling.at(i), input.model, batch_size_, input.context);
      if (drift.steps.empty()) {
        throw ConfigError(fmt::format("{}: of the {} steps of '{}' none has a density; take more steps (num_inference_steps)", kName,
                                      view.grid().num_steps(), view.tag()));
      }
      const auto total = intervals::mean(intervals::group(drift.total(), view.condition()), input.key);
      findings.scalars.push_back(to_scalar("path_kl", total, {.stage = view.tag()}));
      add_steps(view, drift, input.key, total.value, chart, findings);
    }
    findings.charts.push_back(std::move(chart));
    return findings;
  }

 private:
  static void add_steps(const View& view, const path_kl::Drift& drift, const random::StreamKey& key, double total, Chart& chart,
                        Findings& findings) {
    auto& line = chart.series.emplace_back(Chart::Series{.name = view.tag()});
    Table table{"path_kl_" + view.tag(), {{"step"}, {"timestep"}, {"path_kl", "nats"}, {"low", "nats"}, {"high", "nats"}, {"share"}}, {}};
    for (const auto& step : drift.steps) {
      const auto found = intervals::mean(intervals::group(step.nats, view.condition()), key);
      const bool interval = found.kind != intervals::Kind::none;
      line.x.push_back(static_cast<double>(step.steps_remaining));
      line.y.push_back(found.value);
      line.low.push_back(interval ? found.low : found.value);
      line.high.push_back(interval ? found.high : found.value);
      table.rows.push_back({step.steps_remaining, view.grid().at(step.steps_remaining).timestep, found.value,
                            interval ? Value(found.low) : Value(nullptr), interval ? Value(found.high) : Value(nullptr),
                            total > 0.0 ? found.value / total : 0.0});
    }
    table.caption = fmt::format("{}: KL of each step from the base's, given the state that the step leaves.", view.tag());
    if (!drift.no_density.empty()) {
      table.caption +=
          fmt::format(" No density, and no part of the sum, have the steps from {} steps remaining.", listed(drift.no_density));
    }
    findings.tables.push_back(std::move(table));
  }

  std::int64_t batch_size_ = 32;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<PathKl>("path_kl", /*numerics_version=*/1,
                        "The KL of a model's trajectories from the base's, in nats, measured step by step.");
}
