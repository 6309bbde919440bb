// How exact inversions are, and how far the noises they found are from N(0, I): certificates, moments, the radial law, a two-sample
// classifier, and what a corrector's flow makes of them against the best Gaussian.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugins/metric/noise_diagnostics/flow_loss.h"
#include "plugins/metric/noise_diagnostics/inversions.h"
#include "plugins/metric/noise_diagnostics/normality.h"
#include "plugins/metric/noise_diagnostics/steps_charts.h"
#include "plugins/metric/noise_diagnostics/two_sample.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/encoding.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/intervals.h"
#include "runtime/selection/quantile.h"

namespace {

using espalier::MetricInput;
using espalier::Scalar;
using espalier::StageError;
using espalier::State;
using espalier::to_scalar;
using espalier::noise_diagnostics::Inversions;
namespace diagnostics = espalier::noise_diagnostics;

constexpr std::int64_t kJudgedShare = 10;  // a tenth of the noises is what losses are judged on

// Certificates of all inversions, and of those that converged.
std::vector<Scalar> certificates(const Inversions& inversions) {
  const auto total = inversions.converged.size(0), converged = static_cast<std::int64_t>(inversions.row.size());
  const auto kept = inversions.converged.nonzero().squeeze(1);
  const auto residual = inversions.residual.index_select(0, kept);
  const auto errors = diagnostics::finite_sorted(inversions.round_trip_error.index_select(0, kept));
  std::vector<Scalar> scalars{to_scalar("inversions", static_cast<double>(total)), to_scalar("converged", static_cast<double>(converged)),
                              to_scalar("converged_share", espalier::intervals::share(converged, total)),
                              to_scalar("residual_mean", residual.mean().item<double>()),
                              to_scalar("residual_max", residual.max().item<double>())};
  if (!errors.empty()) {
    scalars.push_back(to_scalar("round_trip_error_median", espalier::selection::quantile(errors, 0.5)));
    scalars.push_back(to_scalar("round_trip_error_99", espalier::selection::quantile(errors, 0.99)));
  }
  const auto tried = inversions.known_error.isnan().logical_not().sum().item<double>();
  if (tried == 0) return scalars;
  const auto known = diagnostics::finite_sorted(inversions.known_error);
  scalars.push_back(to_scalar("known_noise_tried", tried));
  scalars.push_back(to_scalar("known_noise_diverged", tried - static_cast<double>(known.size())));
  if (!known.empty()) {
    scalars.push_back(to_scalar("known_noise_error_median", espalier::selection::quantile(known, 0.5)));
    scalars.push_back(to_scalar("known_noise_error_max", known.back()));
  }
  return scalars;
}

class NoiseDiagnostics final : public espalier::Metric {
 public:
  void options(espalier::Schema& schema) override {
    schema.text("split", split_, "The split that was inverted: says which of its examples are mirror images, and their conditions.");
    schema.integer("classifier_samples", classifier_.samples, "Noises at most for the two-sample classifier; half train it, half test it.")
        .at_least(4)
        .at_most(1e7);
    schema.integer("classifier_steps", classifier_.train_steps, "Optimizer steps of the two-sample classifier, 128 rows each.")
        .at_least(1)
        .at_most(1e6);
    schema.integer("loss_repeats", loss_repeats_, "Times and noises drawn for each judged noise in the corrector's loss.")
        .at_least(1)
        .at_most(1e4);
  }

  void inputs(espalier::Inputs& in) override {
    in.trajectories("samples", "The inversions to judge.").inverted().records(espalier::Step(1.0));
    in.model("model", "The corrector's flow, whose loss on the noises is wanted.").of("denoiser").process("rectified_flow").optional();
  }

  espalier::Value identity(const espalier::Domain& domain) const override {
    return espalier::Value::Map{{"examples", domain.data().examples(split_)->digest()}};
  }

  espalier::Findings measure(const MetricInput& input) const override {
    const at::NoGradGuard no_grad;
    const auto& samples = input.samples.front();
    const auto inversions = diagnostics::read_inversions(samples, samples.codec().spec());
    const auto examples = inverted_examples(input, samples, inversions.row.front());
    const auto fair = diagnostics::fair_sample(inversions, *examples, input.key);
    auto scalars = certificates(inversions);
    const auto add = [&](const std::vector<Scalar>& more) { scalars.insert(scalars.end(), more.begin(), more.end()); };
    add(diagnostics::steps_scalars(inversions));
    add({to_scalar("distinct", static_cast<double>(fair.row.size()))});
    add(diagnostics::moments(fair.noise, input.key));
    add({to_scalar("radial_distance", diagnostics::radial_distance(fair.noise)),
         to_scalar("radial_distance_expected", 1.36 / std::sqrt(static_cast<double>(fair.noise.size(0)))),
         diagnostics::two_sample_accuracy(fair.noise, classifier_, input.key)});
    add(losses(input, fair, *examples));
    auto charts = diagnostics::steps_charts(inversions);
    charts.push_back(diagnostics::radial_chart(fair.noise));
    for (auto& scalar : scalars) scalar.about.stage = samples.tag();
    return {.scalars = std::move(scalars), .charts = std::move(charts)};
  }

 private:
  // The examples of the split, which `row` was inverted of: examples were inverted in order.
  std::unique_ptr<espalier::Examples> inverted_examples(const MetricInput& input, const espalier::View& samples, std::int64_t row) const {
    auto examples = input.domain->data().examples(split_);
    const bool there = examples->size() == 0 || row < examples->size();
    if (there) {
      const auto example = samples.codec().encode(examples->at({static_cast<std::uint64_t>(row)}).sample, {});
      if (is_example(samples.states(0, {row}), example)) return examples;
    }
    throw StageError("metric.noise_diagnostics: stage '" + samples.tag() + "' did not invert the split '" + split_ +
                     "'; set option split to the one inverted");
  }

  static bool is_example(const State& state, const State& example) {
    return std::all_of(example.begin(), example.end(), [&](const auto& field) {
      const auto expected = field.second.to(at::kDouble), difference = state.at(field.first).to(at::kDouble) - expected;
      return difference.square().mean().template item<double>() <= 0.01 * expected.square().mean().template item<double>();
    });
  }

  std::vector<Scalar> losses(const MetricInput& input, const diagnostics::FairSample& fair, const espalier::Examples& examples) const {
    const auto n = fair.noise.size(0), judged = std::max<std::int64_t>(1, n / kJudgedShare);
    if (n < 2) return {};
    const auto last = fair.noise.narrow(0, n - judged, judged);
    std::vector<Scalar> scalars{diagnostics::gaussian_loss(fair.noise.narrow(0, 0, n - judged), last)};
    if (!input.model) return scalars;
    const auto condition = encode_conditions(examples.at({fair.row.end() - judged, fair.row.end()}).condition, *input.model);
    const auto states = diagnostics::unflattened(last, input.samples.front().codec().spec());
    scalars.push_back(diagnostics::corrector_loss(*input.model, states, condition.tensors, loss_repeats_, input.key, input.context.device));
    return scalars;
  }

  std::string split_ = "train";
  diagnostics::ClassifierOptions classifier_;
  std::int64_t loss_repeats_ = 4;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<NoiseDiagnostics>("noise_diagnostics", /*numerics_version=*/4,
                                  "Certificates of inversions, how far their noises are from N(0, I), and the corrector's loss on them.");
}
