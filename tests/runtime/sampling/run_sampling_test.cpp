#include "runtime/sampling/run_sampling.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/diffusion/state_math.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sampling/stitch.h"
#include "tests/conformance/toy.h"

namespace espalier::sampling {
namespace {

constexpr std::int64_t kBatch = 3;

// Adds the prediction, fresh noise and the number of its own earlier steps, so that a test can compute what each solver was given.
class Counting final : public Solver {
 public:
  State step(const State& x, const State& prediction, const SolverStep& step) override {
    const auto& value = x.at("sample");
    auto next = value + 0.01 * prediction.at("sample") + diffusion::fresh_noise(value, step.draws) + 10.0 * static_cast<double>(steps_++);
    return {{"sample", next}};
  }

 private:
  int steps_ = 0;
};

class Phased final : public Sampler {
 public:
  explicit Phased(std::vector<Phase> phases) : phases_(std::move(phases)) {}
  std::vector<Phase> phases(const std::vector<ModelInfo>&, const ModelInfo*) const override { return phases_; }
  std::unique_ptr<Solver> solver(const Phase&) const override { return std::make_unique<Counting>(); }

 private:
  std::vector<Phase> phases_;
};

struct Recorded final : Recorder {
  void record(const diffusion::GridPoint& point, const State& state) override {
    steps.push_back(point.steps_remaining);
    states.push_back(state.at("sample").clone());
  }
  std::vector<std::int64_t> steps;
  std::vector<at::Tensor> states;
};

const std::shared_ptr<const Model>& model() {
  static const auto model = std::make_shared<const Model>(conformance::toy_model());
  return model;
}
Phase whole(std::int64_t steps, double guidance_scale = 1.0) {
  return stitched_phase({model()->info}, {steps, {.scale = guidance_scale}}, "the test", "variance_preserving");
}
random::Draws draws() { return {{7, random::Purpose::sampling}, {0, 1, 2}}; }

// The model with the conditions of the batch.
SegmentModel conditioned() {
  const auto conditions = conformance::toy_domain()->data().conditions("train").rows({0, 1, 2});
  return segment_model(model(), conditions.tensors, kBatch, conditions.null_tensors);
}
const StateSpec& spec() {
  static const auto spec = conformance::toy_domain()->codec(nullptr)->spec();
  return spec;
}

Recorded run(const std::vector<Phase>& phases) {
  std::vector<std::vector<SegmentModel>> models;
  for (const auto& phase : phases) models.emplace_back(phase.segments.size(), conditioned());
  auto of_batch = draws();
  Recorded recorded;
  run_sampling(Phased(phases), {phases, models, spec(), {}, kBatch, of_batch, at::kCPU, NeverStop()}, recorded);
  return recorded;
}

at::Tensor noise(std::uint32_t ordinal) {
  auto of_batch = draws();
  of_batch.begin(ordinal);
  return of_batch.normals({3, 8, 8});
}

at::Tensor predicted(const at::Tensor& x, double timestep) {
  const auto times = at::Tensor(x.flatten(1).select(1, 0) * 0 + timestep);
  return model()->network->predict(model()->weights, {{"sample", x}}, times, conditioned().embedded).at("sample");
}

// Where the n-th step of a phase of `grid` leads.
at::Tensor stepped(const at::Tensor& x, const diffusion::GridPoint& from, std::uint32_t ordinal, int step) {
  return x + 0.01 * predicted(x, from.timestep) + noise(ordinal) + 10.0 * step;
}

TEST(RunSampling, TakesEveryStepWithItsOwnDrawsAndRecordsEveryPoint) {
  const auto phase = whole(3);
  const auto recorded = run({phase});
  EXPECT_EQ(recorded.steps, (std::vector<std::int64_t>{3, 2, 1, 0}));
  auto x = noise(0);
  EXPECT_TRUE(recorded.states[0].equal(x));
  for (int k = 0; k < 3; ++k) {
    x = stepped(x, phase.grid.at(3 - k), static_cast<std::uint32_t>(k + 1), k);
    EXPECT_TRUE(recorded.states[static_cast<std::size_t>(k + 1)].allclose(x, 1e-6, 1e-6)) << k;
  }
}

TEST(RunSampling, StepsHaveTheOrdinalsThatTheLoopGivesThem) {
  const auto first = whole(3), again = renoised_phase(whole(3), 2);
  for (const std::int64_t n : {3, 2, 1}) EXPECT_EQ(step_ordinal({first}, n), 4 - n);
  EXPECT_EQ(step_ordinal({first, again}, 3), 1u);
  EXPECT_EQ(step_ordinal({first, again}, 2), 5u) << "as NoisesASampleAgainAndCountsDrawsOverAllPhases";
  EXPECT_EQ(step_ordinal({first, again}, 1), 6u);
  EXPECT_THROW(step_ordinal({first}, 4), InternalError);
}

TEST(RunSampling, NoisesASampleAgainAndCountsDrawsOverAllPhases) {
  const auto first = whole(3), again = renoised_phase(whole(3), 2);
  const auto recorded = run({first, again});
  EXPECT_EQ(recorded.steps, (std::vector<std::int64_t>{3, 2, 1, 0})) << "the noise of the first phase, and the second phase";
  const auto before = run({first}).states.back();
  const double keep = again.grid.at(2).level.alpha;
  auto x = before * keep + noise(4) * std::sqrt(1 - keep * keep);
  EXPECT_TRUE(recorded.states[1].allclose(x, 1e-5, 1e-5));
  x = stepped(x, again.grid.at(2), 5, 0);
  EXPECT_TRUE(recorded.states[2].allclose(x, 1e-5, 1e-5)) << "with a fresh solver";
}

TEST(RunSampling, RecordsTheLastPhaseAloneWhereItGoesOnOnAnotherGrid) {
  auto next = whole(2);
  next.start = "previous";
  const auto recorded = run({whole(4), next});
  EXPECT_EQ(recorded.steps, (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_TRUE(recorded.states.front().equal(run({whole(4)}).states.back()));
}

// Of a stitched trajectory each segment asks its own model, with the conditions as this model takes them, and begins with a fresh solver.
TEST(RunSampling, GivesEachSegmentItsOwnModelAndConditions) {
  auto phase = whole(2);
  auto later = phase.segments.front();
  phase.segments.front().last = later.first = 1;
  phase.segments.push_back(later);
  auto condition = conditioned().condition;
  condition.at("label") = 1 - condition.at("label");
  const auto other = segment_model(std::make_shared<const Model>(conformance::toy_model(2)), condition, kBatch);
  const std::vector<Phase> phases{phase};
  auto of_batch = draws();
  Recorded recorded;
  run_sampling(Phased(phases), {phases, {{conditioned(), other}}, spec(), {}, kBatch, of_batch, at::kCPU, NeverStop()}, recorded);
  const auto& x = recorded.states[1];
  EXPECT_TRUE(x.equal(run({whole(2)}).states[1]));
  const auto times = at::Tensor(x.flatten(1).select(1, 0) * 0 + phase.grid.at(1).timestep);
  const auto& network = *other.model->network;
  const auto& weights = other.model->weights;
  const auto prediction = network.predict(weights, {{"sample", x}}, times, network.embed(weights, condition)).at("sample");
  EXPECT_TRUE(recorded.states[2].allclose(x + 0.01 * prediction + noise(2), 1e-6, 1e-6));
}

TEST(RunSampling, RefusesAStartThatIsNone) {
  auto phase = whole(2);
  phase.start = "examples";
  EXPECT_THAT([&] { run({phase}); }, testing::ThrowsMessage<InternalError>(testing::HasSubstr("'examples'")));
}

// A solver may request more than the first prediction; all are guided alike.
class Midpoint final : public Sampler {
 public:
  std::vector<Phase> phases(const std::vector<ModelInfo>&, const ModelInfo*) const override { return {whole(2, 3.0)}; }
  std::int64_t predictions(const Phase&, const Segment& segment) const override { return 2 * (segment.first - segment.last); }
  std::unique_ptr<Solver> solver(const Phase&) const override {
    struct Rule final : Solver {
      State step(const State& x, const State& prediction, const SolverStep& step) override {
        EXPECT_TRUE(step.predict(x, step.from).at("sample").equal(prediction.at("sample")));
        return x;
      }
    };
    return std::make_unique<Rule>();
  }
};

TEST(RunSampling, GivesASolverFurtherGuidedPredictions) {
  const Midpoint sampler;
  const auto source = source_of(sampler);
  const auto phases = sampler.phases({}, nullptr);
  EXPECT_EQ(network_evaluations(*source, phases), 8);
  const auto before = dynamic_cast<const conformance::ToyNetwork&>(*model()->network).rows();
  auto of_batch = draws();
  Recorded recorded;
  const auto spent = source->compute({phases, {{conditioned()}}, spec(), {}, kBatch, of_batch, at::kCPU, NeverStop()}, recorded);
  EXPECT_EQ(spent, 8 * kBatch);
  EXPECT_EQ(dynamic_cast<const conformance::ToyNetwork&>(*model()->network).rows() - before, spent);
}

}  // namespace
}  // namespace espalier::sampling
