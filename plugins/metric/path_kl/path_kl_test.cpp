// Gaussian chains whose KL is known in closed form: networks that predict the noise as an affine function of the state.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "plugins/metric/path_kl/drift.h"
#include "runtime/base/errors.h"
#include "runtime/sampling/transition.h"
#include "runtime/tensor/tensor_map.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/tensor_codec.h"
#include "tests/conformance/toy.h"

namespace espalier::path_kl {
namespace {

using conformance::check_metric, conformance::make, conformance::plugin;
using testing::ElementsAre, testing::Each, testing::HasSubstr, testing::SizeIs, testing::ThrowsMessage;

constexpr const char* kMetric = "metric.path_kl";
constexpr std::int64_t kElements = 4, kSteps = 6, kTimesteps = 12, kSamples = 4000, kConditions = 50;
constexpr random::StreamKey kNoise{11, random::Purpose::sampling};

// eps = gain x + offset.
struct Affine {
  double gain = 0.0, offset = 0.0;
};

class AffineNetwork final : public Network {
 public:
  Value architecture() const override { return "affine"; }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor&, const TensorMap&) const override {
    ++evaluations;
    return {{"x", noisy.at("x") * weights.at("unet.gain") + weights.at("unet.offset")}};
  }
  Weights initialize(std::uint64_t) const override { return {}; }
  mutable std::int64_t evaluations = 0;
};

std::shared_ptr<const Model> model(const Affine& affine, double beta_end = 0.4) {
  auto made = std::make_shared<Model>();
  made->process = diffusion::make_process(Value::Map{{"_class_name", "DDIMScheduler"},
                                                     {"num_train_timesteps", kTimesteps},
                                                     {"beta_schedule", "linear"},
                                                     {"beta_start", 0.02},
                                                     {"beta_end", beta_end},
                                                     {"clip_sample", false},
                                                     {"prediction_type", "epsilon"},
                                                     {"set_alpha_to_one", true},
                                                     {"steps_offset", 0}},
                                          "the test");
  made->weights = {{"unet.gain", at::full({}, affine.gain)}, {"unet.offset", at::full({}, affine.offset)}};
  made->network = std::make_shared<AffineNetwork>();
  made->info.digest = digest_weights(made->weights);
  made->info.architecture = made->network->architecture();
  made->info.process = made->process->config();
  return made;
}

class Ancestral final : public Solver {
 public:
  State step(const State& x, const State& prediction, const SolverStep& step) override {
    return sampling::ddim_transition(x, prediction, step, 1.0).draw(step.draws);
  }
  std::optional<GaussianStep> gaussian(const State& x, const State& prediction, const StepEnds& ends) const override {
    return sampling::ddim_transition(x, prediction, ends, 1.0);
  }
};

// A step of DDPM is gain x + slope eps + std xi.
struct Linear {
  double gain = 0.0, slope = 0.0, std = 0.0;
  Linear(const Model& model, const diffusion::Grid& grid, std::int64_t n) {
    const double alpha = model.process->level(grid.at(n).timestep).alpha, next = grid.at(n - 1).level.alpha;
    const double abar = alpha * alpha, previous = next * next, variance = (1 - previous) / (1 - abar) * (1 - abar / previous);
    gain = std::sqrt(previous / abar);
    slope = std::sqrt(1 - previous - variance) - std::sqrt(previous * (1 - abar) / abar);
    std = std::sqrt(variance);
  }
};

class Recorded final : public ViewSource {
 public:
  std::map<std::int64_t, State> at_step;
  State states(std::int64_t n, const std::vector<std::int64_t>& index) const override { return tensor::rows(at_step.at(n), index); }
  State noise(const std::vector<std::int64_t>& index) const override { return states(kSteps, index); }
  random::Draws draws(std::int64_t n, const std::vector<std::int64_t>& index) const override {
    random::Draws draws(kNoise, {index.begin(), index.end()});
    draws.begin(static_cast<std::uint32_t>(kSteps - n + 1));
    return draws;
  }
  Conditions conditions(const std::vector<std::int64_t>& index) const override {
    Conditions conditions;
    conditions.text.resize(index.size());
    conditions.metadata.resize(index.size());
    return conditions;
  }
};

// What of the steps of `at_first` down to `seam`, and then of `at_last`, sampled.
struct World {
  View view;
  SamplingInfo sampling;
};

World sample(const std::shared_ptr<const Model>& at_first, const Affine& first, const std::shared_ptr<const Model>& at_last = nullptr,
             const Affine& last = {}, std::int64_t seam = 0) {
  Phase phase;
  phase.process = at_first->process->config();
  phase.grid = at_first->process->grid(kSteps);
  phase.segments.push_back({at_first->info, kSteps, seam, {}});
  if (at_last) phase.segments.push_back({at_last->info, seam, 0, {}});
  const auto rows = View::range(0, kSamples);
  const auto source = std::make_shared<Recorded>();
  random::Draws draws(kNoise, {rows.begin(), rows.end()});
  auto x = draws.normals({kElements});
  source->at_step[kSteps] = {{"x", x}};
  for (auto n = kSteps; n > 0; --n) {
    const Linear step(*at_first, phase.grid, n);
    const auto& taken = n > seam ? first : last;
    const auto xi = source->draws(n, rows).normals({kElements});
    x = x * (step.gain + step.slope * taken.gain) + step.slope * taken.offset + xi * step.std;
    source->at_step[n - 1] = {{"x", x}};
  }
  auto condition = rows;
  for (auto& one : condition) one %= kConditions;
  const StateSpec spec{{"x", {{kElements}, at::kFloat}}};
  ViewInfo info{"samples", phase.grid, std::make_shared<conformance::TensorCodec>("vector", spec), rows, condition};
  return {View(std::move(info), source), {"sampler.ancestral", Value::Map{}, phase, std::make_shared<Ancestral>()}};
}

Drift drift_of(const World& world, const std::shared_ptr<const Model>& base, std::int64_t batch_size = 512) {
  return drift(kMetric, world.view, world.sampling, base, batch_size, {});
}

MetricInput input(const World& world, const std::shared_ptr<const Model>& base) {
  MetricInput input;
  input.key = {1, random::Purpose::evaluation};
  input.samples = {world.view};
  input.sampling = {world.sampling};
  input.model = base;
  return input;
}

constexpr Affine kBase{0.3, 0.1}, kShifted{0.3, 0.25}, kOther{0.35, 0.2};

TEST(PathKl, Conforms) { check_metric(plugin(kMetric), {}, input(sample(model(kOther), kOther), model(kBase))); }

TEST(PathKl, OfAShiftIsTheSameOfEveryTrajectory) {
  const auto base = model(kBase), tuned = model(kShifted);
  const auto found = drift_of(sample(tuned, kShifted), base);
  ASSERT_EQ(found.steps.size(), static_cast<std::size_t>(kSteps - 1));
  EXPECT_THAT(found.no_density, ElementsAre(1)) << "the last step adds no noise";
  for (const auto& step : found.steps) {
    const Linear linear(*base, base->process->grid(kSteps), step.steps_remaining);
    const double expected = kElements * std::pow(linear.slope * (kShifted.offset - kBase.offset) / linear.std, 2) / 2;
    EXPECT_THAT(step.nats, Each(testing::DoubleNear(expected, 2e-5 * expected))) << step.steps_remaining;
  }
}

// Mean and variance of the tuned chain follow from its linear steps; so does the mean of each step's KL.
TEST(PathKl, OfAnotherGainIsTheClosedFormOfGaussianChains) {
  const auto base = model(kBase), tuned = model(kOther);
  const auto found = drift_of(sample(tuned, kOther), base);
  const double gain = kOther.gain - kBase.gain, offset = kOther.offset - kBase.offset;
  double mean = 0.0, variance = 1.0, expected_total = 0.0;
  for (const auto& step : found.steps) {
    const Linear linear(*base, base->process->grid(kSteps), step.steps_remaining);
    const double square = gain * gain * (variance + mean * mean) + 2 * gain * offset * mean + offset * offset;
    const double expected = kElements * std::pow(linear.slope / linear.std, 2) * square / 2;
    expected_total += expected;
    const double measured = std::accumulate(step.nats.begin(), step.nats.end(), 0.0) / kSamples;
    EXPECT_NEAR(measured, expected, 0.06 * expected) << step.steps_remaining;  // at most 4 standard errors of 4,000 samples
    const double of_x = linear.gain + linear.slope * kOther.gain;
    mean = of_x * mean + linear.slope * kOther.offset;
    variance = of_x * of_x * variance + linear.std * linear.std;
  }
  const auto findings = make<Metric>(plugin(kMetric))->measure(input(sample(tuned, kOther), base));
  ASSERT_THAT(findings.scalars, SizeIs(1));
  EXPECT_NEAR(findings.scalars[0].value, expected_total, 0.04 * expected_total);
  EXPECT_LT(findings.scalars[0].low, findings.scalars[0].value);
  EXPECT_EQ(findings.scalars[0].count, kConditions);
  EXPECT_THAT(findings.tables.at(0).caption, HasSubstr("have the steps from 1 steps remaining"));
}

TEST(PathKl, OfTheBaseItselfIsZeroAndCostsNothing) {
  const auto base = model(kBase);
  EXPECT_THAT(drift_of(sample(base, kBase), base).total(), Each(0.0));
  EXPECT_EQ(dynamic_cast<const AffineNetwork&>(*base->network).evaluations, 0);
}

TEST(PathKl, OfAStitchedModelIsZeroInTheBasesSteps) {
  const auto base = model(kBase), tuned = model(kShifted);
  const auto found = drift_of(sample(tuned, kShifted, base, kBase, 3), base, kSamples);
  for (const auto& step : found.steps) {
    SCOPED_TRACE(step.steps_remaining);
    if (step.steps_remaining <= 3) {
      EXPECT_THAT(step.nats, Each(0.0));
    } else {
      EXPECT_THAT(step.nats, Each(testing::Gt(0.0)));
    }
  }
  EXPECT_EQ(dynamic_cast<const AffineNetwork&>(*base->network).evaluations, 3) << "one pass of the tuned model's steps";
}

TEST(PathKl, RefusesABaseOfAnotherSchedule) {
  const auto tuned = model(kShifted);
  EXPECT_THAT([&] { drift_of(sample(tuned, kShifted), model(kBase, 0.3)); },
              ThrowsMessage<ConfigError>(HasSubstr("name a base with the same noise schedule")));
}

TEST(PathKl, RefusesTrajectoriesThatBeginElsewhere) {
  const auto tuned = model(kShifted);
  auto world = sample(tuned, kShifted);
  world.sampling.phase.start = "previous";
  EXPECT_THAT([&] { drift_of(world, model(kBase)); }, ThrowsMessage<ConfigError>(HasSubstr("begin at 'previous'")));
}

TEST(PathKl, ReadsBothStatesOfEveryStep) {
  const auto inputs = conformance::inputs_of(plugin(kMetric));
  EXPECT_TRUE(inputs.at("samples").transitions.has_value());
  EXPECT_THAT(inputs.at("samples").recorded_steps(6), SizeIs(6)) << "0 to 5; the noise is drawn again";
}

}  // namespace
}  // namespace espalier::path_kl
