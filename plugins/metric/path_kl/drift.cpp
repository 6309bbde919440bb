#include "plugins/metric/path_kl/drift.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sampling/guided_model.h"
#include "runtime/sampling/transition.h"
#include "runtime/sdk/encoding.h"
#include "runtime/tensor/spec.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::path_kl {
namespace {

struct PlannedStep {
  std::int64_t steps_remaining = 0;
  const Segment* segment = nullptr;
  bool of_base = false;  // the base took this step
};

void check_start(const std::string& who, const View& view, const Phase& phase) {
  if (phase.start == "noise" || recorded_start(phase)) return;
  throw ConfigError(
      fmt::format("{}: the trajectories of '{}' begin at '{}', where the base's have another law; take samples that begin at noise or at "
                  "recorded states",
                  who, view.tag(), phase.start));
}

void check_levels(const std::string& who, const View& view, const Phase& phase, const Model& base) {
  const auto sampled = diffusion::make_process(phase.process, "the process of '" + view.tag() + "'");
  if (sampled->name() != base.process->name()) {
    throw ConfigError(fmt::format("{}: '{}' was sampled with the process {}, and the base has {}; name a base of the same process", who,
                                  view.tag(), sampled->name(), base.process->name()));
  }
  for (const auto& point : phase.grid.points) {
    if (point.steps_remaining == 0) continue;  // no network is evaluated at the sample
    const auto ours = sampled->level(point.timestep), theirs = base.process->level(point.timestep);
    if (ours.alpha == theirs.alpha && ours.sigma == theirs.sigma) continue;
    throw ConfigError(
        fmt::format("{}: at timestep {} the states of '{}' have sigma {}, and the base's have {}; name a base with the same noise schedule",
                    who, point.timestep, view.tag(), ours.sigma, theirs.sigma));
  }
}

// Which steps have a density follows from their ends.
std::vector<PlannedStep> plan(const std::string& who, const View& view, const SamplingInfo& sampling, const Model& base, Drift& found) {
  std::vector<PlannedStep> steps;
  const auto any = tensor::zeros(view.codec().spec(), 1, at::kCPU);
  const auto base_function = base.info.function();
  for (const auto& segment : sampling.phase.segments) {
    for (auto n = segment.first; n > segment.last; --n) {
      const StepEnds ends{*base.process, sampling.phase.grid.at(n), sampling.phase.grid.at(n - 1)};
      const auto law = sampling.solver->gaussian(any, any, ends);
      if (law && law->std > 0.0) {
        steps.push_back({n, &segment, segment.model.function() == base_function});
      } else if (!law && sampling.solver->log_prob(any, any, any, ends)) {
        throw ConfigError(fmt::format("{}: the steps of {} ('{}') have laws that are no Gaussians", who, sampling.sampler, view.tag()));
      } else {
        found.no_density.push_back(n);
      }
    }
  }
  return steps;
}

// The base with the conditions of some trajectories.
class Batch {
 public:
  Batch(const View& view, const SamplingInfo& sampling, std::shared_ptr<const Model> base, View::Rows rows, at::Device device)
      : view_(view), sampling_(sampling), rows_(std::move(rows)), device_(device) {
    const auto& guidance = sampling.phase.segments.front().guidance;
    auto encoded = encode_conditions(view.conditions(rows_), *base, guidance.negative_prompt);
    with_ = sampling::segment_model(std::move(base), tensor::on(device, std::move(encoded.tensors)),
                                    static_cast<std::int64_t>(rows_.size()), tensor::on(device, std::move(encoded.null_tensors)));
  }

  // Adds the rows' KL of a step.
  void add(const PlannedStep& step, std::vector<double>& nats) const {
    const auto transition = view_.transition(step.steps_remaining, rows_);
    const auto x = tensor::on(device_, transition.before);
    const auto& process = *with_.model->process;
    const auto query = process.query(x, transition.from).value();
    const auto prediction = sampling::GuidedModel(with_, step.segment->guidance).predict(query.input, query.timestep);
    const sampling::Transition law{sampling_.solver->gaussian(x, prediction, {process, transition.from, transition.to}).value()};
    auto draws = view_.draws(step.steps_remaining, rows_);
    const auto on_same_noise = law.draw(draws);
    std::int64_t elements = 0;  // of all rows
    for (const auto& [name, value] : on_same_noise) elements += value.numel();
    const auto dimensions = static_cast<double>(elements) / static_cast<double>(rows_.size());
    const auto kl = sampling::gaussian_kl(tensor::on(device_, transition.after), on_same_noise, law.std);
    const auto values = (kl.to(at::kCPU, at::kDouble) * dimensions).contiguous();
    nats.insert(nats.end(), values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  }

 private:
  const View& view_;
  const SamplingInfo& sampling_;
  View::Rows rows_;
  at::Device device_;
  SegmentModel with_;
};

}  // namespace

std::vector<double> Drift::total() const {
  std::vector<double> total;
  for (const auto& step : steps) {
    total.resize(step.nats.size(), 0.0);
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += step.nats[i];
  }
  return total;
}

Drift drift(const std::string& who, const View& view, const SamplingInfo& sampling, const std::shared_ptr<const Model>& base,
            std::int64_t batch_size, const StageContext& context) {
  const at::NoGradGuard no_grad;
  check_start(who, view, sampling.phase);
  check_levels(who, view, sampling.phase, *base);
  Drift found;
  const auto steps = plan(who, view, sampling, *base, found);
  for (const auto& step : steps) found.steps.push_back({step.steps_remaining, {}});
  const bool evaluates = std::ranges::any_of(steps, [](const auto& step) { return !step.of_base; });
  for (std::int64_t first = 0; evaluates && first < view.size(); first += batch_size) {
    const Batch batch(view, sampling, base, View::range(first, std::min(batch_size, view.size() - first)), context.device);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      context.check_stop();
      if (!steps[i].of_base) batch.add(steps[i], found.steps[i].nats);
    }
  }
  for (auto& step : found.steps) step.nats.resize(static_cast<std::size_t>(view.size()), 0.0);  // of the base's own steps
  return found;
}

}  // namespace espalier::path_kl
