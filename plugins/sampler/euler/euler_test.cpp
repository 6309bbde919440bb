#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include "runtime/sampling/embedding.h"
#include "runtime/sampling/run_sampling.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::unique_ptr<Sampler> euler(const Options& options = {}) { return make<Sampler>(plugin("sampler.euler"), options); }
std::shared_ptr<const Model> flow(std::uint64_t seed = 1) { return std::make_shared<const Model>(toy_model(seed, "rectified_flow")); }

// A noise corrector's flow for `steps` steps of `base`.
std::shared_ptr<const Model> corrector_of(const Model& base, std::int64_t steps) {
  auto model = toy_model(2, "rectified_flow");
  model.info.corrects = {base.info.digest, steps};
  return std::make_shared<const Model>(std::move(model));
}

struct Recorded final : Recorder {
  void record(const diffusion::GridPoint& point, const State& state) override {
    steps.push_back(point.steps_remaining);
    states.push_back(state.at("sample").clone());
  }
  std::vector<std::int64_t> steps;
  std::vector<at::Tensor> states;
};

// Three trajectories of the toy domain.
Recorded run(const Sampler& sampler, const std::vector<Phase>& phases,
             const std::vector<std::vector<std::shared_ptr<const Model>>>& models) {
  const auto domain = toy_domain();
  const auto conditions = domain->data().conditions("train");
  const auto spec = domain->codec(nullptr)->spec();
  std::vector<std::vector<SegmentModel>> used;
  for (const auto& of_phase : models) {
    used.emplace_back();
    for (const auto& model : of_phase)
      used.back().push_back(sampling::segment_model(model, conditions.rows({0, 1, 2}).tensors, 3, conditions.null_tensors));
  }
  random::Draws draws({7, random::Purpose::sampling}, {0, 1, 2});
  Recorded recorded;
  sampling::run_sampling(sampler, {phases, used, spec, {}, 3, draws, at::kCPU, NeverStop()}, recorded);
  return recorded;
}

at::Tensor noise() { return random::Draws({7, random::Purpose::sampling}, {0, 1, 2}).normals({3, 8, 8}); }

// Euler's steps written out: the network predicts minus the velocity and receives 1000 (1 - t).
at::Tensor by_hand(const Model& model, at::Tensor x, std::int64_t steps, double guidance) {
  const auto conditions = toy_domain()->data().conditions("train");
  for (std::int64_t k = 0; k < steps; ++k) {
    const auto time = at::full({3}, 1000.0 * static_cast<double>(steps - k) / static_cast<double>(steps));
    const auto answer = [&](const TensorMap& condition) {
      return model.network->predict(model.weights, {{"sample", x}}, time, model.network->embed(model.weights, condition)).at("sample");
    };
    const auto empty = answer({{"label", conditions.null_tensors.at("label").expand({3})}});
    x = x - (empty + guidance * (answer(conditions.rows({0, 1, 2}).tensors) - empty)) / static_cast<double>(steps);
  }
  return x;
}

// Heun's steps written out: the trapezoid, and Euler's rule in the last.
at::Tensor heun_by_hand(const Model& model, at::Tensor x, std::int64_t steps) {
  const auto embedded = model.network->embed(model.weights, toy_domain()->data().conditions("train").rows({0, 1, 2}).tensors);
  const double h = 1.0 / static_cast<double>(steps);
  for (std::int64_t k = 0; k < steps; ++k) {
    const auto velocity = [&](const at::Tensor& y, std::int64_t at_step) {
      const auto time = at::full({3}, 1000.0 * static_cast<double>(steps - at_step) * h);
      return -model.network->predict(model.weights, {{"sample", y}}, time, embedded).at("sample");
    };
    const auto here = velocity(x, k);
    x = k + 1 == steps ? x + h * here : x + h / 2 * (here + velocity(x + h * here, k + 1));
  }
  return x;
}

TEST(Euler, ConformsWithAndWithoutGuidance) {
  check_sampler(plugin("sampler.euler"), {});
  check_sampler(plugin("sampler.euler"), {{"guidance_scale", 3.0}});
}

TEST(Euler, IsEulersMethodUnderGuidance) {
  const auto model = flow();
  for (const double guidance : {1.0, 2.5}) {
    const auto sampler = euler({{"num_inference_steps", 9}, {"guidance_scale", guidance}});
    const auto recorded = run(*sampler, sampler->phases({model->info}, nullptr), {{model}});
    EXPECT_TRUE(recorded.states.front().equal(noise()));
    EXPECT_TRUE(recorded.states.back().allclose(by_hand(*model, noise(), 9, guidance), 1e-5, 1e-5));
  }
}

TEST(EulerWithPrior, StartsExactlyWhereThePriorEnded) {
  const auto base = flow();
  const auto prior = corrector_of(*base, 4);
  const auto sampler = euler({{"num_inference_steps", 4}, {"prior_num_inference_steps", 3}});
  const auto phases = sampler->phases({base->info}, &prior->info);
  ASSERT_EQ(phases.size(), 2U);
  EXPECT_EQ(phases[0].start, "noise");
  EXPECT_EQ(phases[0].grid.num_steps(), 3);
  EXPECT_EQ(phases[0].segments.front().model.digest, prior->info.digest);
  EXPECT_EQ(phases[1].start, "previous");
  EXPECT_EQ(phases[1].grid.num_steps(), 4);

  const auto corrected = run(*sampler, phases, {{prior}, {base}});
  EXPECT_EQ(corrected.steps, (std::vector<std::int64_t>{4, 3, 2, 1, 0})) << "the last phase alone is recorded";
  const auto alone = euler({{"num_inference_steps", 3}});
  const auto prior_end = run(*alone, alone->phases({prior->info}, nullptr), {{prior}}).states.back();
  EXPECT_TRUE(corrected.states.front().equal(prior_end));
  EXPECT_TRUE(prior_end.allclose(by_hand(*prior, noise(), 3, 1.0), 1e-5, 1e-5));
  EXPECT_TRUE(corrected.states.back().allclose(by_hand(*base, prior_end, 4, 1.0), 1e-5, 1e-5));
}

// Only the prior is solved by Heun's rule: the noise found is right for Euler's steps of the base.
TEST(EulerWithPrior, MayBeSolvedByHeunsRule) {
  const auto base = flow();
  const auto prior = corrector_of(*base, 4);
  const Options options{{"num_inference_steps", 4}, {"prior_num_inference_steps", 3}, {"prior_solver", "heun"}};
  const auto sampler = euler(options);
  const auto phases = sampler->phases({base->info}, &prior->info);
  EXPECT_EQ(sampler->predictions(phases[0], phases[0].segments.front()), 5);
  EXPECT_EQ(sampler->predictions(phases[1], phases[1].segments.front()), 4);

  const auto corrected = run(*sampler, phases, {{prior}, {base}});
  EXPECT_EQ(dynamic_cast<const ToyNetwork&>(*prior->network).rows(), 3 * 5);
  EXPECT_EQ(dynamic_cast<const ToyNetwork&>(*base->network).rows(), 3 * 4);
  const auto& prior_end = corrected.states.front();
  EXPECT_TRUE(prior_end.allclose(heun_by_hand(*prior, noise(), 3), 1e-5, 1e-5));
  EXPECT_FALSE(prior_end.allclose(by_hand(*prior, noise(), 3, 1.0), 1e-5, 1e-5));
  EXPECT_TRUE(corrected.states.back().allclose(by_hand(*base, prior_end, 4, 1.0), 1e-5, 1e-5));
}

// What was sampled before the option came is found again.
TEST(EulerWithPrior, ItsSolverIsInNoKeyAtItsDefault) {
  const auto keyed = [](const std::string& solver) {
    const auto sampler = make<Sampler>(plugin("sampler.euler"), {});
    Schema schema;
    sampler->options(schema);
    EXPECT_TRUE(schema.read(Value::Map{{"prior_solver", solver}}).empty());
    return schema.values(OptionRole::keyed);
  };
  EXPECT_FALSE(keyed("euler").contains("prior_solver"));
  EXPECT_EQ(keyed("heun").at("prior_solver").as_string(), "heun");
}

TEST(EulerWithPrior, CostsItsOwnSteps) {
  const auto base = flow();
  const auto prior = corrector_of(*base, 4);
  const auto sampler = euler({{"num_inference_steps", 4}, {"prior_num_inference_steps", 3}});
  const auto phases = sampler->phases({base->info}, &prior->info);
  EXPECT_EQ(sampler->predictions(phases[0], phases[0].segments.front()), 3);
  EXPECT_EQ(sampler->predictions(phases[1], phases[1].segments.front()), 4);
  run(*sampler, phases, {{prior}, {base}});
  EXPECT_EQ(dynamic_cast<const ToyNetwork&>(*prior->network).rows(), 3 * 3);
  EXPECT_EQ(dynamic_cast<const ToyNetwork&>(*base->network).rows(), 3 * 4);
}

TEST(EulerWithPrior, GoesOnWithStitchedModels) {
  const auto base = flow();
  auto tuned = toy_model(3, "rectified_flow").info;
  tuned.last_step = Step(0.5);
  const auto prior = corrector_of(*base, 4);
  const auto phases = euler({{"num_inference_steps", 4}})->phases({tuned, base->info}, &prior->info);
  ASSERT_EQ(phases.at(1).segments.size(), 2U);
  EXPECT_EQ(phases[1].segments[0].model.digest, tuned.digest);
  EXPECT_EQ(phases[1].segments[0].last, 2);
  EXPECT_EQ(phases[0].grid.num_steps(), 10) << "the default";
}

TEST(EulerWithPrior, RefusesNoiseOfAnotherSampling) {
  const auto base = flow()->info;
  const auto sampler = euler({{"num_inference_steps", 4}});
  const auto refuses = [&](const ModelInfo& prior, const auto& message) {
    EXPECT_THAT([&] { sampler->phases({base}, &prior); }, ThrowsMessage<ConfigError>(message));
  };
  auto prior = corrector_of(*flow(), 7)->info;
  refuses(prior, AllOf(HasSubstr("noise of 7 steps"), HasSubstr("num_inference_steps is 4")));
  prior.corrects = {"0123456789abcdef", 4};
  refuses(prior, AllOf(HasSubstr("noise of model 0123456789ab"), HasSubstr(base.digest.substr(0, 12))));
  const auto other = toy_model(3, "rectified_flow").info;
  prior = corrector_of(*flow(), 4)->info;
  EXPECT_THAT([&] { sampler->phases({other, base}, &prior); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("is not sampled here"), HasSubstr(other.digest.substr(0, 12)))))
      << "named, but another takes all its steps";
  prior.corrects.reset();
  refuses(prior, HasSubstr("was not trained on inverted noises"));
  prior = corrector_of(*flow(), 4)->info;
  EXPECT_THAT([&] { euler({{"num_inference_steps", 4}, {"guidance_scale", 2.5}})->phases({base}, &prior); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("sampling without guidance"), HasSubstr("guidance_scale is 2.5"))));
  prior = corrector_of(*flow(), 4)->info;
  prior.process = toy_model().info.process;
  refuses(prior, HasSubstr("is 'variance_preserving'; this stage needs 'rectified_flow'"));
}

TEST(Euler, RefusesModelsThatAreNoFlow) {
  EXPECT_THAT([] { euler()->phases({toy_model().info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("is 'variance_preserving'; this stage needs 'rectified_flow'")));
  auto other = flow()->info;
  other.role = "classifier";
  EXPECT_THAT([&] { euler()->phases({other}, nullptr); }, ThrowsMessage<ConfigError>(HasSubstr("role 'classifier'")));
}

TEST(Euler, RefusesToStitchDifferentFlows) {
  auto tuned = flow(2)->info;
  tuned.last_step = Step(0.5);
  tuned.process["num_train_timesteps"] = 500;
  EXPECT_THAT([&] { euler()->phases({tuned, flow()->info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("num_train_timesteps: 500 and 1000")));
}

TEST(Euler, RefusesToGuideANoiseCorrectorsFlow) {
  const auto corrector = corrector_of(*flow(), 4)->info;
  EXPECT_EQ(euler()->phases({corrector}, nullptr).size(), 1U);
  EXPECT_THAT([&] { euler({{"guidance_scale", 2.0}})->phases({corrector}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("set guidance_scale = 1, not 2")));
}

}  // namespace
}  // namespace espalier::conformance
