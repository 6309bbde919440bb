// Measuring: from scores and trajectories in the cache to one small published entry of scalars and charts.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>

#include "runtime/base/errors.h"
#include "runtime/exec/context.h"
#include "runtime/exec/excluded.h"
#include "runtime/exec/journal.h"
#include "runtime/network/flops.h"
#include "runtime/plan/trajectory_source.h"
#include "runtime/sdk/check.h"

namespace espalier::exec {
namespace {

Value::List floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

// One pass of the network for one sample, and of what embeds its condition.
struct PassFlops {
  double predict = 0;
  double embed = 0;
};

PassFlops pass_flops(const Context& context, const Model& model, const TensorMap& condition) {
  const at::NoGradGuard no_grad;
  State state;
  for (const auto& [name, field] : context.spec.domain->state_spec()) {
    std::vector<std::int64_t> shape{1};
    shape.insert(shape.end(), field.shape.begin(), field.shape.end());
    state.emplace(name, at::zeros(shape, at::TensorOptions().dtype(field.dtype).device(context.device)));
  }
  TensorMap raw;
  for (const auto& [name, tensor] : condition) raw.emplace(name, tensor.to(context.device));
  const auto timestep = at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(context.device));
  PassFlops flops;
  TensorMap embedded;
  flops.embed = network::count_flops([&] { embedded = model.network->embed(model.weights, raw); });
  flops.predict = network::count_flops([&] { model.network->predict(model.weights, state, timestep, embedded); });
  return flops;
}

class CachedSamples final : public SampleSet {
 public:
  CachedSamples(Context& context, std::string tag)
      : context_(context),
        tag_(std::move(tag)),
        result_(context.results.at(tag_)),
        block_size_(context.spec.find(tag_)->sampler.block_size) {
    const auto& excluded = excluded_samples(context, tag_);
    for (std::int64_t i = 0; i < result_.count; ++i) {
      if (!std::binary_search(excluded.begin(), excluded.end(), i)) kept_.push_back(i);
    }
  }

  const std::string& tag() const override { return tag_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(kept_.size()); }
  const diffusion::Grid& grid() const override { return result_.grid; }

  State states(std::int64_t steps_remaining, std::int64_t first, std::int64_t count) const override {
    if (first < 0 || count < 0 || first + count > size()) throw InternalError("rows beyond the view of stage '" + tag_ + "'");
    std::map<std::string, std::vector<at::Tensor>> parts;
    for (auto place = first; place < first + count;) {
      const auto number = kept_[static_cast<std::size_t>(place)] / block_size_;
      std::vector<std::int64_t> rows;
      for (; place < first + count && kept_[static_cast<std::size_t>(place)] / block_size_ == number; ++place) {
        rows.push_back(kept_[static_cast<std::size_t>(place)] % block_size_);
      }
      const auto block = read_steps(context_, result_, static_cast<std::uint64_t>(number), {steps_remaining});
      for (const auto& [name, tensor] : block.steps.front().state)
        parts[name].push_back(tensor.index_select(0, at::tensor(rows, at::kLong)));
    }
    State state;
    for (const auto& [name, tensors] : parts) state.emplace(name, at::cat(tensors));
    return state;
  }

  double flops_per_sample() const override {
    const auto& stage = *context_.spec.find(tag_);
    const auto source = plan::trajectory_source(stage);
    if (source->direction() == Direction::to_noise) return 0;
    const auto plan = plan::plan_stage(context_.spec, stage, context_.results, context_.store);
    std::map<Hex, std::string> tags;
    for (const auto& input : stage.inputs) {
      for (const auto& tag : input.tags) tags.emplace(model_identity(context_.results.at(tag).model), tag);
    }
    const auto condition = context_.spec.conditions(stage).rows({0});
    double flops = 0;
    for (const auto& phase : plan.phases) {
      for (const auto& segment : phase.segments) {
        const auto pass = pass_flops(context_, *context_.model(tags.at(model_identity(segment.model))), condition);
        flops += pass.embed + pass.predict * static_cast<double>(source->network_evaluations(phase, segment));
      }
    }
    return flops;
  }

 private:
  Context& context_;
  std::string tag_;
  plan::Result result_;
  std::int64_t block_size_;
  std::vector<std::int64_t> kept_;  // trajectories that are not excluded, ascending
};

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
        input.samples.push_back(sample_set(context, tag));
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

std::shared_ptr<const SampleSet> sample_set(Context& context, const std::string& tag) {
  return std::make_shared<CachedSamples>(context, tag);
}

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
