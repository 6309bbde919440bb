#include <cmath>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>

#include "runtime/sampling/embedding.h"
#include "runtime/sampling/run_sampling.h"
#include "runtime/sampling/transition.h"
#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using Models = std::vector<std::shared_ptr<const Model>>;

class Kept final : public Recorder {
 public:
  void record(const diffusion::GridPoint& point, const State& state) override {
    auto& entry = entries.emplace_back(Entry{point, {}, {}});
    for (const auto& [name, tensor] : state) entry.whole.emplace(name, tensor.clone());
    entry.state = entry.whole.at("sample");
  }
  struct Entry {
    diffusion::GridPoint point;
    State whole;
    at::Tensor state;  // [B, 3, 8, 8]
  };
  std::vector<Entry> entries;
};

struct Fixture {
  std::unique_ptr<Sampler> sampler;
  std::string process;  // of the models
  std::unique_ptr<Domain> domain = toy_domain();
  Conditions conditions = domain->data().conditions("train");

  std::vector<Phase> phases(const Models& models) const {
    std::vector<ModelInfo> infos;
    for (const auto& model : models) infos.push_back(model->info);
    return sampler->phases(infos, nullptr);
  }

  std::shared_ptr<const Model> toy(std::uint64_t seed, Step last_step = Step()) const {
    auto model = toy_model(seed, process);
    model.info.last_step = last_step;
    return std::make_shared<const Model>(std::move(model));
  }

  // Trajectory i has condition i mod C.
  Kept run(const Models& models, const std::vector<std::uint64_t>& samples) const {
    const auto plan = phases(models);
    std::vector<std::int64_t> rows;
    for (const auto sample : samples) rows.push_back(static_cast<std::int64_t>(sample % static_cast<std::uint64_t>(conditions.size())));
    const auto condition = conditions.rows(rows);
    std::vector<std::vector<SegmentModel>> used;
    for (const auto& phase : plan) {
      used.emplace_back();
      for (const auto& segment : phase.segments) {
        for (const auto& model : models) {
          if (model->info.digest == segment.model.digest)
            used.back().push_back(sampling::segment_model(model, condition.tensors, condition.size(), condition.null_tensors));
        }
      }
    }
    random::Draws draws({.seed = 42, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, samples);
    const auto spec = domain->codec(nullptr)->spec();
    Kept kept;
    const at::NoGradGuard no_grad;
    const auto batch = draws.batch();
    sampling::run_sampling(*sampler, {plan, used, spec, {}, batch, draws, at::kCPU, NeverStop()}, kept);
    return kept;
  }
};

bool check_phases(const std::vector<Phase>& phases, const Models& models) {
  std::vector<ModelInfo> infos;
  for (const auto& model : models) infos.push_back(model->info);
  return expect_accepted([&] { espalier::check_phases("the sampler", Direction::to_sample, phases, infos); });
}

bool check_record(const Fixture& fixture, const Phase& phase, const Kept& kept, std::int64_t batch) {
  for (const auto& entry : kept.entries) EXPECT_TRUE(at::isfinite(entry.state).all().item<bool>());
  auto check = recorded("the sampler", Direction::to_sample, phase, fixture.domain->codec(nullptr)->spec(), batch);
  return expect_accepted([&] {
    for (const auto& entry : kept.entries) check.record(entry.point, entry.whole);
    check.end();
  });
}

void check_independence(const Fixture& fixture, const Models& models) {
  const auto one = fixture.run(models, {3, 8, 0, 5});
  const auto again = fixture.run(models, {3, 8, 0, 5});
  const auto other = fixture.run(models, {16, 3, 7, 8});  // 3 and 8 again, at other places and with other samples
  ASSERT_EQ(one.entries.size(), other.entries.size());
  for (std::size_t i = 0; i < one.entries.size(); ++i) {
    const auto& state = one.entries[i].state;
    const auto where = "at " + std::to_string(one.entries[i].point.steps_remaining) + " steps remaining";
    EXPECT_TRUE(at::equal(state, again.entries[i].state)) << "sampled twice with two results " << where;
    EXPECT_TRUE(at::equal(state[0], other.entries[i].state[1])) << "sample 3 depends on its micro-batch " << where;
    EXPECT_TRUE(at::equal(state[1], other.entries[i].state[3])) << "sample 8 depends on its micro-batch " << where;
    EXPECT_FALSE(at::equal(state[0], state[1])) << "two samples are equal " << where;
  }
}

void check_evaluations(const Fixture& fixture) {
  const auto model = fixture.toy(1);
  const auto* network = dynamic_cast<const ToyNetwork*>(model->network.get());
  ASSERT_NE(network, nullptr);
  fixture.run({model}, {0, 1, 2, 3});
  EXPECT_EQ(network_evaluations(*sampling::source_of(*fixture.sampler), fixture.phases({model})) * 4, network->rows())
      << "predictions() miscounts";
}

// Checks that a new solver returns a log-probability of the first step if and only if no_transition_law() gives no reason against it.
void check_law(const Fixture& fixture) {
  const auto phase = fixture.phases({fixture.toy(1)}).front();
  const auto process = diffusion::make_process(phase.process, "the toy model");
  random::Draws draws({.seed = 43, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, {0, 1});
  draws.begin(0);
  const auto x = process->prior(fixture.domain->codec(nullptr)->spec(), {}, draws);
  const auto steps = phase.grid.num_steps();
  const auto law = fixture.sampler->solver(phase)->log_prob(x, x, x, {*process, phase.grid.at(steps), phase.grid.at(steps - 1)});
  EXPECT_EQ(law.has_value(), fixture.sampler->no_transition_law().empty())
      << "no_transition_law() is '" << fixture.sampler->no_transition_law() << "'";
}

// Checks that gaussian() is the law that log_prob() is of and that step() draws from, in the first step.
void check_gaussian(const Fixture& fixture) {
  const auto phase = fixture.phases({fixture.toy(1)}).front();
  const auto process = diffusion::make_process(phase.process, "the toy model");
  random::Draws draws({.seed = 43, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, {0, 1});
  const auto x = process->prior(fixture.domain->codec(nullptr)->spec(), {}, draws);
  const auto steps = phase.grid.num_steps();
  const StepEnds ends{*process, phase.grid.at(steps), phase.grid.at(steps - 1)};
  const auto solver = fixture.sampler->solver(phase);
  const auto law = solver->gaussian(x, x, ends);
  if (!law) return;
  draws.begin(1);
  const auto next = solver->step(x, x, {ends, draws, {}});
  draws.begin(1);
  for (const auto& [name, value] : next) {
    const auto drawn = law->mean.at(name) + draws.normals(value.sizes().slice(1).vec(), value.scalar_type()) * law->std;
    EXPECT_TRUE(drawn.allclose(value, 1e-5, 1e-5)) << "step() draws not from gaussian()";
  }
  const auto density = solver->log_prob(x, x, next, ends);
  ASSERT_EQ(density.has_value(), law->std > 0.0);
  if (density) {
    EXPECT_TRUE(density->allclose(*sampling::Transition{*law}.log_prob(next), 1e-5, 1e-5)) << "log_prob() is not of gaussian()";
  }
}

void check_stitching(const Fixture& fixture) {
  const auto tuned = fixture.toy(2, Step(0.5)), base = fixture.toy(1);
  const auto phases = fixture.phases({tuned, base});
  if (!check_phases(phases, {tuned, base})) return;
  ASSERT_EQ(phases.front().segments.size(), 2u);
  const auto steps = phases.front().grid.num_steps();
  const auto border = Step(0.5).of(steps);
  EXPECT_EQ(phases.front().segments[0].last, border);
  EXPECT_EQ(phases.front().segments[0].model.digest, tuned->info.digest);
  EXPECT_EQ(phases.front().segments[1].model.digest, base->info.digest);
  const auto stitched = fixture.run({tuned, base}, {0, 1}), tuned_alone = fixture.run({fixture.toy(2)}, {0, 1}),
             plain = fixture.run({base}, {0, 1});
  for (const auto* kept : {&stitched, &tuned_alone, &plain}) ASSERT_EQ(static_cast<std::int64_t>(kept->entries.size()), steps + 1);
  const auto differs = [&](const Kept& other, std::int64_t step) {
    const auto at_step = static_cast<std::size_t>(steps - step);
    return !at::equal(stitched.entries.at(at_step).state, other.entries.at(at_step).state);
  };
  EXPECT_FALSE(differs(tuned_alone, border)) << "the tuned model is not the one used down to its last step";
  EXPECT_TRUE(differs(plain, border));
  EXPECT_TRUE(differs(tuned_alone, 0)) << "the base is not used below the tuned model's last step";
  EXPECT_THROW(fixture.phases({tuned}), ConfigError) << "half of the steps have no model";
}

void check_foreign(const Fixture& fixture, const std::string& takes) {
  auto model = toy_model();
  model.info.process = Value(Value::Map{{"_class_name", "NoSuchScheduler"}});
  EXPECT_THROW(fixture.phases({std::make_shared<const Model>(model)}), Error) << "a model of a foreign process was accepted";
  if (takes.empty()) return;
  const auto other = toy_model(1, takes == "rectified_flow" ? "variance_preserving" : "rectified_flow");
  EXPECT_THROW(fixture.phases({std::make_shared<const Model>(other)}), ConfigError) << "a model of another process was accepted";
}

}  // namespace

void check_sampler(const PluginEntry& entry, const Options& options) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  Options few = options;
  few.try_emplace("num_inference_steps", 6);
  Fixture fixture;
  fixture.sampler = make<Sampler>(entry, few);
  const auto process = inputs_of(entry, few).at("model").process;
  fixture.process = process.empty() ? "variance_preserving" : process;
  const Models models{fixture.toy(1)};
  const auto phases = fixture.phases(models);
  if (!check_phases(phases, models)) return;
  ASSERT_EQ(phases.size(), 1u);
  EXPECT_EQ(phases.front().to_value(), fixture.phases(models).front().to_value()) << "phases() is not pure";
  if (!check_record(fixture, phases.front(), fixture.run(models, {0, 1, 2}), 3)) return;
  check_independence(fixture, models);
  check_evaluations(fixture);
  check_law(fixture);
  check_gaussian(fixture);
  check_stitching(fixture);
  check_foreign(fixture, process);
}

}  // namespace espalier::conformance
