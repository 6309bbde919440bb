#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/zeros_like.h>

#include "runtime/sampling/embedding.h"
#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

constexpr std::int64_t kMicroBatch = 4;

class Kept final : public Recorder {
 public:
  void record(const diffusion::GridPoint& point, const State& state) override {
    points.push_back(point);
    states.push_back({});
    for (const auto& [name, tensor] : state) states.back().emplace(name, tensor.clone());
  }
  std::vector<diffusion::GridPoint> points;
  std::vector<State> states;  // from the sample to the noise
};

class StopAtOnce final : public StopToken {
 public:
  bool stop_requested() const override { return true; }
};

struct Inverted {
  Kept kept;
  std::int64_t evaluations = 0;
  const State& noise() const { return kept.states.back(); }
};

struct Fixture {
  std::unique_ptr<NoiseCorrector> corrector;
  Model model = toy_model(1, "rectified_flow");
  std::unique_ptr<Domain> domain = toy_domain();
  StateSpec spec = domain->codec(nullptr)->spec();
  std::vector<Phase> phases = {};
  const Phase& phase() const { return phases.front(); }

  Inverted run(const std::vector<std::uint64_t>& positions, const StopToken& stop = NeverStop()) const {
    const auto batch = encoded(*domain, "train", model)->at(positions);
    State examples;
    for (const auto& [name, tensor] : batch.state) examples.emplace(name, tensor.clone());
    random::Draws draws({.seed = 42, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, positions);
    Inverted out;
    const at::NoGradGuard no_grad;
    const std::vector<std::vector<SegmentModel>> models{
        {sampling::segment_model(std::make_shared<const Model>(model), batch.condition, kMicroBatch)}};
    out.evaluations = corrector->compute({phases, models, spec, examples, kMicroBatch, draws, at::kCPU, stop}, out.kept);
    for (const auto& [name, tensor] : batch.state) EXPECT_TRUE(at::equal(tensor, examples.at(name))) << "inverting changed the examples";
    return out;
  }
};

void check_phase(const Fixture& fixture) {
  const auto &phase = fixture.phase(), again = fixture.corrector->phase(fixture.model.info);
  EXPECT_EQ(phase.to_value(), again.to_value()) << "phase() is not pure";
  expect_accepted([&] { check_phases("the noise corrector", Direction::to_noise, fixture.phases, {fixture.model.info}); });
  EXPECT_GE(network_evaluations(*fixture.corrector, fixture.phases), 2 * phase.grid.num_steps())
      << "each step needs at least one evaluation to invert it and one to check it";
  EXPECT_THROW(fixture.corrector->phase(toy_model().info), ConfigError) << "a model that is no flow was accepted";
}

// Returns false if the recorded states do not suffice for further checks.
bool check_record(const Fixture& fixture, const Inverted& inverted, std::int64_t batch) {
  auto check = recorded("the noise corrector", Direction::to_noise, fixture.phase(), fixture.spec, batch);
  const bool whole = expect_accepted([&] {
    for (std::size_t i = 0; i < inverted.kept.points.size(); ++i) check.record(inverted.kept.points[i], inverted.kept.states[i]);
    check.end();
    check_certificates("the noise corrector", inverted.noise(), fixture.spec);
  });
  if (!whole) return false;
  for (const auto& state : inverted.kept.states) EXPECT_TRUE(at::isfinite(state.at("sample")).all().item<bool>());
  for (const auto& [name, tensor] : inverted.kept.states.front()) {
    if (fixture.spec.contains(name)) continue;
    EXPECT_TRUE(at::equal(tensor, at::zeros_like(tensor))) << "'" << name << "' is 0 at the sample";
  }
  return true;
}

// Checks the recorded certificates by stepping forward again with only the process and the network.
void check_certificates(const Fixture& fixture, const Inverted& inverted, const std::vector<std::uint64_t>& positions) {
  const auto& certified = inverted.noise();
  const auto& converged = certified.at(inversion::kConverged);
  EXPECT_GT(converged.sum().item<double>(), 0) << "no inversion of a gentle flow converged";
  const auto worst = std::get<0>(certified.at(inversion::kResidual).max(1));  // [B]
  EXPECT_LT((worst * converged).max().item<double>(), 1e-3) << "an inversion is called converged though a step misses by this";
  const auto condition = encoded(*fixture.domain, "train", fixture.model)->at(positions).condition;
  const auto embedded = fixture.model.network->embed(fixture.model.weights, condition);
  const auto rms = [](const at::Tensor& difference) { return difference.square().mean({1, 2, 3}).sqrt(); };  // [B]
  auto x = certified.at("sample");
  const auto forward = [&](const at::Tensor& from, std::int64_t n) {
    const auto &here = fixture.phase().grid.at(n), &next = fixture.phase().grid.at(n - 1);
    const auto time = at::zeros_like(converged) + here.timestep;
    const auto prediction = fixture.model.network->predict(fixture.model.weights, {{"sample", from}}, time, embedded);
    return from - prediction.at("sample") * (next.level.alpha - here.level.alpha);
  };
  for (auto n = fixture.phase().grid.num_steps(); n > 0; --n) {
    const auto &above = inverted.kept.states[static_cast<std::size_t>(n)], &below = inverted.kept.states[static_cast<std::size_t>(n - 1)];
    const auto residual = rms(forward(above.at("sample"), n) - below.at("sample"));
    EXPECT_TRUE(residual.allclose(certified.at(inversion::kResidual).select(1, n - 1), 1e-2, 2e-6))
        << "'residual' at step " << n << " is not how far the network's step back misses";
    x = forward(x, n);
  }
  const auto error = rms(x - inverted.kept.states.front().at("sample"));
  EXPECT_TRUE(error.allclose(certified.at(inversion::kRoundTripError), 1e-2, 2e-6))
      << "'round_trip_error' is not the error of the network's own steps";
  EXPECT_TRUE((certified.at(inversion::kIterations).ge(1)).all().item<bool>());
  const auto& known = certified.at(inversion::kKnownNoiseError);
  EXPECT_TRUE((at::isnan(known) + known.ge(0)).all().item<bool>());
}

bool same(const at::Tensor& a, const at::Tensor& b) { return (a.eq(b) + at::isnan(a) * at::isnan(b)).all().item<bool>(); }

void check_independence(const Fixture& fixture) {
  const auto one = fixture.run({3, 8, 0, 5, 2}), again = fixture.run({3, 8, 0, 5, 2});
  const auto other = fixture.run({16, 3, 7, 8, 1, 9, 4});  // 3 and 8 again, at other places in a larger block
  ASSERT_EQ(one.kept.states.size(), other.kept.states.size());
  for (std::size_t n = 0; n < one.kept.states.size(); ++n) {
    for (const auto& [name, tensor] : one.kept.states[n]) {
      const auto where = "'" + name + "' at " + std::to_string(n) + " steps remaining";
      EXPECT_TRUE(same(tensor, again.kept.states[n].at(name))) << "inverted twice with two results: " << where;
      if (name == inversion::kKnownNoiseError) continue;  // known noise is tried only on a block's first rows
      EXPECT_TRUE(same(tensor[0], other.kept.states[n].at(name)[1])) << "example 3 depends on its block: " << where;
      EXPECT_TRUE(same(tensor[1], other.kept.states[n].at(name)[3])) << "example 8 depends on its block: " << where;
    }
  }
  EXPECT_FALSE(at::equal(one.noise().at("sample")[0], one.noise().at("sample")[1]));
}

}  // namespace

void check_noise_corrector(const PluginEntry& entry, const Options& options) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  Options few = options;
  few.try_emplace("num_inference_steps", 5);
  Fixture fixture;
  fixture.corrector = make<NoiseCorrector>(entry, few);
  fixture.phases = fixture.corrector->phases({fixture.model.info}, nullptr);
  check_phase(fixture);
  const auto* network = dynamic_cast<const ToyNetwork*>(fixture.model.network.get());
  const auto before = network->rows();
  const std::vector<std::uint64_t> positions{0, 1, 2, 3, 4, 5};
  const auto inverted = fixture.run(positions);
  EXPECT_EQ(inverted.evaluations, network->rows() - before) << "the evaluations returned are not those of the network";
  if (!check_record(fixture, inverted, 6)) return;
  check_certificates(fixture, inverted, positions);
  check_independence(fixture);
  EXPECT_THROW(fixture.run(positions, StopAtOnce()), Stopped) << "inverting went on after a stop was requested";
}

}  // namespace espalier::conformance
