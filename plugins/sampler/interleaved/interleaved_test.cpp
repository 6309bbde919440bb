#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "runtime/diffusion/interleaved.h"
#include "runtime/sampling/run_sampling.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using diffusion::Interleaved;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kElements = 3, kClasses = 4, kSize = 2, kRounds = 2, kSteps = 2 * kElements * kRounds;

std::unique_ptr<Sampler> interleaved(const Options& options = {}) { return make<Sampler>(plugin("sampler.interleaved"), options); }

// Logits and eps from an element, its neighbour, the visit and the time, all elementwise: no sample's bits depend on its batch. Counts the
// rows it evaluates.
class ElementwiseNetwork final : public Network {
 public:
  Value architecture() const override { return Value(Value::Map{{"type", "elementwise"}}); }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    rows_ += timestep.size(0);
    const auto& scale = weights.at("net.scale");
    const auto token = noisy.at("token").to(at::kFloat).unsqueeze(-1);
    const auto when = (timestep * 0.001 + noisy.at("visit").to(at::kFloat) * 0.1).view({-1, 1, 1});
    const auto eps = noisy.at("vector") * scale + noisy.at("vector").roll(1, 1) * 0.2 + token * 0.1 - when;
    return {{"token", at::sin((eps.narrow(-1, 0, 1) + when) * at::arange(1, kClasses + 1).to(at::kFloat)) * 2.0}, {"vector", eps}};
  }
  Weights initialize(std::uint64_t seed) const override { return {{"net.scale", at::full({1}, 0.3 + 0.2 * static_cast<double>(seed))}}; }
  std::int64_t rows() const { return rows_; }

 private:
  mutable std::atomic<std::int64_t> rows_ = 0;
};

std::shared_ptr<const Model> model(std::uint64_t seed = 1, Step last_step = Step(), const char* order = "round_robin") {
  Model model;
  const auto network = std::make_shared<ElementwiseNetwork>();
  model.process = diffusion::make_process(Value(Value::Map{{"_class_name", "InterleavedScheduler"},
                                                           {"num_elements", kElements},
                                                           {"num_classes", kClasses},
                                                           {"num_rounds", kRounds},
                                                           {"order", order},
                                                           {"beta_schedule", "linear"},
                                                           {"beta_start", 0.3},
                                                           {"beta_end", 0.8}}),
                                          "the test");
  model.weights = network->initialize(seed);
  model.info.digest = digest_weights(model.weights);
  model.info.architecture = network->architecture();
  model.info.process = model.process->config();
  model.info.last_step = last_step;
  model.network = network;
  return std::make_shared<const Model>(std::move(model));
}

std::int64_t rows(const Model& model) { return dynamic_cast<const ElementwiseNetwork&>(*model.network).rows(); }

// Every second sample is of two elements and has the first one's token and the second one's vector given.
TensorMap conditions(const std::vector<std::uint64_t>& samples) {
  const auto batch = static_cast<std::int64_t>(samples.size());
  TensorMap condition = {{"token", at::full({batch, kElements}, 2, at::kLong)},
                         {"vector", at::full({batch, kElements, kSize}, 7.0)},
                         {"present", at::ones({batch, kElements}, at::kBool)},
                         {"frozen", at::zeros({batch, kElements, 2}, at::kBool)}};
  for (std::int64_t b = 0; b < batch; ++b) {
    if (samples[static_cast<std::size_t>(b)] % 2 == 0) continue;
    condition["present"][b][2].fill_(false);
    condition["frozen"][b][0][0].fill_(true);
    condition["frozen"][b][1][1].fill_(true);
  }
  return condition;
}

class Kept final : public Recorder {
 public:
  void record(const diffusion::GridPoint& point, const State& state) override {
    steps.push_back(point.steps_remaining);
    EXPECT_DOUBLE_EQ(point.level.sigma * static_cast<double>(last), static_cast<double>(point.steps_remaining));
    EXPECT_EQ(state.size(), 4u);
    State copy;
    for (const auto& [name, tensor] : state) copy[name] = tensor.clone();
    states.push_back(copy);
  }
  const State& at(std::int64_t step) const { return states.at(static_cast<std::size_t>(last - step)); }
  std::int64_t last = kSteps;
  std::vector<std::int64_t> steps;
  std::vector<State> states;
};

using Models = std::vector<std::shared_ptr<const Model>>;

std::vector<Phase> phases_of(const Sampler& sampler, const Models& models) {
  std::vector<ModelInfo> infos;
  for (const auto& model : models) infos.push_back(model->info);
  return sampler.phases(infos, nullptr);
}

Kept run(const Sampler& sampler, const Models& models, const std::vector<std::uint64_t>& samples, const TensorMap& condition,
         std::int64_t elements = kElements) {
  const auto phases = phases_of(sampler, models);
  std::vector<std::vector<SegmentModel>> used;
  for (const auto& phase : phases) {
    used.emplace_back();
    for (const auto& segment : phase.segments) {
      for (const auto& model : models) {
        if (model->info.digest == segment.model.digest) used.back().push_back({model, condition});
      }
    }
  }
  const StateSpec spec = {{"token", {{elements}, at::kLong}},
                          {"vector", {{elements, kSize}, at::kFloat}},
                          {"present", {{elements}, at::kBool}},
                          {"frozen", {{elements, 2}, at::kBool}}};
  random::Draws draws({.seed = 42, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, samples);
  Kept kept;
  kept.last = phases.back().grid.num_steps();
  const auto batch = draws.batch();
  sampling::run_sampling(sampler, {phases, used, spec, {}, batch, draws, at::kCPU, NeverStop()}, kept);
  return kept;
}

Kept run(const Sampler& sampler, const Models& models, const std::vector<std::uint64_t>& samples = {0, 1, 2, 3}) {
  return run(sampler, models, samples, conditions(samples));
}

bool same(const State& a, const State& b) {
  for (const auto& [name, tensor] : a) {
    if (!at::equal(tensor, b.at(name))) return false;
  }
  return a.size() == b.size();
}

std::vector<std::int64_t> falling(std::int64_t last) {
  std::vector<std::int64_t> steps;
  for (auto n = last; n >= 0; --n) steps.push_back(n);
  return steps;
}

TEST(Interleaved, DeclaresItsOptions) { check_options(plugin("sampler.interleaved")); }

TEST(Interleaved, RecordsEveryStepOnceInFallingOrder) {
  for (const char* order : {"round_robin", "joint"}) {
    for (const auto& from : {Value(0), Value(1), Value(2), Value(0.5), Value(1.0)}) {
      for (const std::int64_t repeats : {1, 2, 3}) {
        const auto used = model(1, Step(), order);
        const auto kept = run(*interleaved({{"redenoise_from", from}, {"redenoise_repeats", repeats}}), {used});
        EXPECT_EQ(kept.steps, falling(std::string(order) == "joint" ? kRounds : kSteps)) << order << ' ' << to_json(from) << ' ' << repeats;
      }
    }
  }
}

// The whole way by hand, from the process and the network alone: `from` and how often to noise again. States by steps remaining.
std::map<std::int64_t, State> by_hand(const Model& model, const std::vector<std::uint64_t>& samples, std::int64_t from, int repeats) {
  const auto& process = dynamic_cast<const Interleaved&>(*model.process);
  const auto grid = process.grid(process.num_steps());
  random::Draws draws({.seed = 42, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, samples);
  std::uint32_t ordinal = 0;
  draws.begin(ordinal);
  State x = process.prior({{"vector", {{kElements, kSize}, at::kFloat}}}, conditions(samples), draws);
  std::map<std::int64_t, State> way;
  for (int i = 0; i <= repeats; ++i) {
    const auto first = i == 0 ? process.num_steps() : from;
    if (i > 0) {
      draws.begin(++ordinal);
      x = process.renoise(x, 0, from, draws);
    }
    way[first] = x;
    for (auto n = first; n > 0; --n) {
      draws.begin(++ordinal);
      const auto times = at::full({static_cast<std::int64_t>(samples.size())}, grid.at(n).timestep);
      const auto prediction = model.network->predict(model.weights, process.query(x, grid.at(n)).value().input, times, {});
      x = way[n - 1] = process.reverse_step(x, prediction, grid.at(n), draws);
    }
  }
  return way;
}

TEST(Interleaved, IsTheProcessesStepsAndReDeNoise) {
  for (const char* order : {"round_robin", "joint"}) {
    const auto used = model(1, Step(), order);
    const auto steps = dynamic_cast<const Interleaved&>(*used->process).num_steps();
    for (const auto& [from, repeats] : std::vector<std::pair<std::int64_t, int>>{{0, 0}, {1, 1}, {steps / 2, 3}, {steps, 1}}) {
      const auto kept = run(*interleaved({{"redenoise_from", from}, {"redenoise_repeats", std::max(repeats, 1)}}), {used});
      for (const auto& [n, state] : by_hand(*used, {0, 1, 2, 3}, from, repeats)) {
        EXPECT_TRUE(same(kept.at(n), state)) << order << ": " << n << " steps remaining, ReDeNoise from " << from;
      }
    }
  }
}

TEST(Interleaved, ReDeNoiseKeepsTheWayAboveItAndDrawsAnewBelow) {
  const auto plain = run(*interleaved(), {model()});
  const auto once = run(*interleaved({{"redenoise_from", 5}}), {model()});
  const auto twice = run(*interleaved({{"redenoise_from", 5}, {"redenoise_repeats", 2}}), {model()});
  for (std::int64_t n = 0; n <= kSteps; ++n) {
    EXPECT_EQ(same(once.at(n), plain.at(n)), n > 5) << n;
    EXPECT_EQ(same(once.at(n), twice.at(n)), n > 5) << n;
  }
  EXPECT_TRUE(same(run(*interleaved({{"redenoise_repeats", 7}}), {model()}).at(0), plain.at(0))) << "repeats of nothing";
}

TEST(Interleaved, PhasesNameWhereTheyStart) {
  const auto tuned = model(2, Step(0.5)), base = model(1);
  const auto starts = [](const std::vector<Phase>& phases) {
    std::vector<std::string> names;
    for (const auto& phase : phases) names.push_back(phase.start);
    return names;
  };
  const auto deep = phases_of(*interleaved({{"redenoise_from", 8}, {"redenoise_repeats", 2}}), {tuned, base});
  EXPECT_EQ(starts(deep), (std::vector<std::string>{"noise", "renoise:8", "renoise:8"}));
  ASSERT_EQ(deep[1].segments.size(), 2U);
  EXPECT_EQ(deep[1].segments[0].model.digest, tuned->info.digest);
  EXPECT_EQ(deep[1].segments[0].first, 8);
  EXPECT_EQ(deep[1].segments[0].last, 6);
  EXPECT_EQ(deep[1].segments[1].first, 6);
  EXPECT_EQ(deep[1].grid.num_steps(), kSteps);
  for (const std::int64_t from : {4, 6}) {
    const auto shallow = phases_of(*interleaved({{"redenoise_from", from}}), {tuned, base});
    ASSERT_EQ(shallow.at(1).segments.size(), 1U);
    EXPECT_EQ(shallow[1].segments[0].model.digest, base->info.digest);
    EXPECT_EQ(shallow[1].segments[0].first, from);
  }
  EXPECT_EQ(starts(phases_of(*interleaved({{"redenoise_repeats", 3}}), {base})), std::vector<std::string>{"noise"});
}

TEST(Interleaved, CostsAPassAStepThatChangesSomething) {
  const std::vector<std::uint64_t> free = {0, 2, 4}, given = {1, 3, 5}, mixed = {0, 1, 2};
  const auto cost = [](const Options& options, const std::vector<std::uint64_t>& samples) {
    const auto used = model();
    const auto sampler = interleaved(options);
    run(*sampler, {used}, samples);
    EXPECT_LE(rows(*used), 3 * network_evaluations(*sampling::source_of(*sampler), phases_of(*sampler, {used})));
    return rows(*used) / 3;
  };
  const auto expected = [](const Options& options) {
    const auto sampler = interleaved(options);
    return network_evaluations(*sampling::source_of(*sampler), phases_of(*sampler, {model()}));
  };
  EXPECT_EQ(expected({}), kSteps);
  EXPECT_EQ(cost({}, free), kSteps);
  EXPECT_EQ(cost({}, mixed), kSteps);
  EXPECT_EQ(cost({}, given), 2 * kRounds) << "one token and one vector are left to make";
  const Options again = {{"redenoise_from", 0.5}, {"redenoise_repeats", 3}};
  EXPECT_EQ(expected(again), kSteps + 3 * kSteps / 2);
  EXPECT_EQ(cost(again, free), kSteps + 3 * kSteps / 2);
}

TEST(Interleaved, BitsDoNotDependOnTheOthersOfAMicroBatch) {
  const auto sampler = interleaved({{"redenoise_from", 0.5}});
  const auto one = run(*sampler, {model()}, {3, 8, 0, 5}), again = run(*sampler, {model()}, {3, 8, 0, 5});
  const auto other = run(*sampler, {model()}, {17, 3, 7, 8});
  for (std::int64_t n = kSteps; n >= 0; --n) {
    EXPECT_TRUE(same(one.at(n), again.at(n)));
    for (const auto& [name, tensor] : one.at(n)) {
      EXPECT_TRUE(at::equal(tensor[0], other.at(n).at(name)[1])) << name << " of sample 3 at " << n;
      EXPECT_TRUE(at::equal(tensor[1], other.at(n).at(name)[3])) << name << " of sample 8 at " << n;
    }
    EXPECT_FALSE(at::equal(one.at(n).at("vector")[0], one.at(n).at("vector")[1]));
  }
}

TEST(Interleaved, KeepsWhatTheConditionGives) {
  for (const char* order : {"round_robin", "joint"}) {
    const auto kept = run(*interleaved({{"redenoise_from", 1.0}}), {model(1, Step(), order)}, {1, 2});
    for (const auto& state : kept.states) {
      EXPECT_EQ(state.at("token")[0][0].item<std::int64_t>(), 2);
      EXPECT_TRUE(state.at("vector")[0][1].eq(7.0).all().item<bool>());
      EXPECT_EQ(state.at("token")[0][2].item<std::int64_t>(), 0);
      EXPECT_TRUE(state.at("vector")[0][2].eq(0.0).all().item<bool>());
      EXPECT_FALSE(state.at("present")[0][2].item<bool>());
      EXPECT_FALSE(state.at("vector")[1].eq(7.0).any().item<bool>()) << "nothing is given to the other one";
      EXPECT_TRUE(state.at("token").ge(0).logical_and(state.at("token").lt(kClasses)).all().item<bool>());
    }
    EXPECT_FALSE(at::equal(kept.at(0).at("vector"), kept.states.front().at("vector")));
  }
}

TEST(Interleaved, WithoutAConditionSetsAreWholeAndFree) {
  const auto kept = run(*interleaved(), {model()}, {0, 1}, {});
  EXPECT_TRUE(kept.at(0).at("present").all().item<bool>());
  EXPECT_FALSE(kept.at(0).at("frozen").any().item<bool>());
}

TEST(Interleaved, ATunedModelIsUsedForItsStepsAlone) {
  const auto tuned = model(2, Step(0.5)), base = model(1);
  const auto sampler = interleaved();
  const auto stitched = run(*sampler, {tuned, base}), tuned_alone = run(*sampler, {model(2)}), plain = run(*sampler, {base});
  for (std::int64_t n = kSteps; n >= 6; --n) EXPECT_TRUE(same(stitched.at(n), tuned_alone.at(n))) << n;
  EXPECT_FALSE(same(stitched.at(6), plain.at(6)));
  EXPECT_FALSE(same(stitched.at(0), tuned_alone.at(0)));
  EXPECT_EQ(rows(*tuned), 4 * 6);
  const auto again = run(*interleaved({{"redenoise_from", 8}}), {model(2, Step(0.5)), model(1)});
  EXPECT_EQ(again.steps, falling(kSteps));
  EXPECT_TRUE(same(again.at(9), stitched.at(9)));
}

TEST(Interleaved, RefusesOtherProcessesPriorsAndGaps) {
  const auto info = model()->info;
  EXPECT_THAT([] { interleaved()->phases({}, nullptr); }, ThrowsMessage<ConfigError>(HasSubstr("needs at least one model")));
  EXPECT_THAT([] { interleaved()->phases({toy_model().info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("is 'variance_preserving'; this stage needs 'interleaved'")));
  EXPECT_THAT([&] { interleaved()->phases({info, toy_model().info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("needs 'interleaved'")));
  EXPECT_THAT([] { interleaved()->phases({model(2, Step(0.5))->info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("no model is for step 6 of 12")));
  EXPECT_THAT([&] { interleaved()->phases({model(2, Step(0.5), "joint")->info, info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("order: \"joint\" and \"round_robin\"")));
  EXPECT_THAT([&] { interleaved({{"redenoise_from", 13}})->phases({info}, nullptr); }, ThrowsMessage<ConfigError>(HasSubstr("13")));
  auto other = info;
  other.role = "classifier";
  EXPECT_THAT([&] { interleaved()->phases({other}, nullptr); }, ThrowsMessage<ConfigError>(HasSubstr("role 'classifier'")));
}

TEST(Interleaved, RefusesADomainOfAnotherSize) {
  EXPECT_THAT([] { run(*interleaved(), {model()}, {0, 1}, {}, kElements + 1); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("have 4 elements"), HasSubstr("process 3"))));
}

}  // namespace
}  // namespace espalier::conformance
