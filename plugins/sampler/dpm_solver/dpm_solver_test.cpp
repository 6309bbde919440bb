#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "plugins/sampler/dpm_solver/rule.h"
#include "runtime/diffusion/variance_preserving.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sampling/run_sampling.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

const Options kFirstOrderSde = {{"algorithm_type", "sde-dpmsolver++"}, {"solver_order", 1}};

std::unique_ptr<Sampler> dpm_solver(const Options& options = {}) { return make<Sampler>(plugin("sampler.dpm_solver"), options); }

ModelInfo model_of(const char* prediction, const Options& keys = {}) {
  auto info = toy_model().info;
  info.process["prediction_type"] = prediction;
  for (const auto& [key, value] : keys) info.process[key] = value;
  return info;
}

std::vector<double> timesteps(const Options& options, const ModelInfo& model = model_of("epsilon")) {
  std::vector<double> found;
  const auto phase = dpm_solver(options)->phases({model}, nullptr).front();
  for (const auto& point : phase.grid.points) found.push_back(point.timestep);
  found.pop_back();
  return found;
}

TEST(DpmSolver, Conforms) {
  check_sampler(plugin("sampler.dpm_solver"), {});
  check_sampler(plugin("sampler.dpm_solver"), {{"algorithm_type", "sde-dpmsolver++"}, {"guidance_scale", 1.0}});
  check_sampler(plugin("sampler.dpm_solver"), kFirstOrderSde);
}

// On the same grid with the same end, at every step: the state that is drawn and the density.
void expect_ddims_steps(const Options& options, double eta, const ModelInfo& info) {
  const auto process = diffusion::make_process(info.process, "the test");
  const auto sampler = dpm_solver(options);
  const auto phase = sampler->phases({info}, nullptr).front();
  const auto solver = sampler->solver(phase);
  const auto x = at::linspace(-2, 2, 8, at::kDouble).view({1, 8});
  const State state = {{"sample", x}}, answer = {{"sample", x * 0.3 + 0.1}}, next = {{"sample", x * 0.9}};
  for (auto n = phase.grid.num_steps(); n > 0; --n) {
    const StepEnds ends{*process, phase.grid.at(n), phase.grid.at(n - 1)};
    random::Draws draws({1, random::Purpose::sampling}, {0}), again = draws;
    const auto ddim = sampling::ddim_transition(state, answer, ends, eta);
    const auto found = solver->step(state, answer, {ends, draws, {}}).at("sample");
    EXPECT_TRUE(at::allclose(found, ddim.draw(again).at("sample"), 1e-9, 1e-9)) << n;
    const auto law = solver->log_prob(state, answer, next, ends), expected = ddim.log_prob(next);
    ASSERT_EQ(law.has_value(), expected.has_value()) << n;
    if (law) {
      EXPECT_TRUE(at::allclose(*law, *expected, 1e-9, 1e-9)) << n;
    }
  }
}

// Of the SDE with eta = 1, of the ODE with eta = 0.
TEST(DpmSolver, TakesDdimsStepsOfFirstOrder) {
  for (const char* prediction : {"epsilon", "v_prediction", "sample"}) {
    for (const char* end : {"zero", "sigma_min"}) {
      SCOPED_TRACE(std::string(prediction) + ", " + end);
      Options options = {{"solver_order", 1}, {"final_sigmas_type", end}, {"num_inference_steps", 7}};
      expect_ddims_steps(options, 0.0, model_of(prediction));
      options["algorithm_type"] = "sde-dpmsolver++";
      expect_ddims_steps(options, 1.0, model_of(prediction));
    }
  }
}

// x_0 ~ N(0, s^2): the network's best prediction is linear, and the ODE scales x as the standard deviation at each level.
double error_of(const Options& options, std::int64_t steps) {
  constexpr double kVariance = 0.25;
  auto all = options;
  all["num_inference_steps"] = steps;
  all["final_sigmas_type"] = "sigma_min";
  all["lower_order_final"] = false;
  all["timestep_spacing"] = "trailing";
  const auto info = model_of("sample");
  const auto process = diffusion::make_process(info.process, "the test");
  const auto sampler = dpm_solver(all);
  const auto phase = sampler->phases({info}, nullptr).front();
  const auto solver = sampler->solver(phase);
  random::Draws draws({1, random::Purpose::sampling}, {0});
  const auto variance = [](const diffusion::Level& level) { return level.alpha * level.alpha * kVariance + level.sigma * level.sigma; };
  auto x = at::full({1, 1}, 1.0, at::kDouble);
  for (auto n = steps; n > 0; --n) {
    const auto& from = phase.grid.at(n);
    const auto level = process->level(from.timestep);
    const State clean = {{"sample", x * (level.alpha * kVariance / variance(level))}};
    x = solver->step({{"sample", x}}, clean, {{*process, from, phase.grid.at(n - 1)}, draws, {}}).at("sample");
  }
  const double exact = std::sqrt(variance(phase.grid.at(0).level) / variance(process->level(phase.grid.at(steps).timestep)));
  return std::abs(x.item<double>() / exact - 1.0);
}

TEST(DpmSolver, IsOfItsOrder) {
  for (const char* type : {"midpoint", "heun"}) {
    const double coarse = error_of({{"solver_type", type}}, 100), fine = error_of({{"solver_type", type}}, 200);
    EXPECT_LT(fine, 0.3 * coarse) << type << ": " << coarse << " and " << fine;
  }
  const double coarse = error_of({{"solver_order", 1}}, 100), fine = error_of({{"solver_order", 1}}, 200);
  EXPECT_NEAR(fine / coarse, 0.5, 0.05);
}

struct Kept final : Recorder {
  void record(const diffusion::GridPoint&, const State& state) override { states.push_back(state.at("sample").clone()); }
  std::vector<at::Tensor> states;
};

// The prediction of the tuned model is not extrapolated by the base: from the seam on, the states are those of a chain that begins there.
TEST(DpmSolver, BeginsWithFirstOrderAtASeam) {
  const auto conditions = toy_domain()->data().conditions("train").rows({0, 1});
  const auto base = std::make_shared<const Model>(toy_model(1));
  auto tuned_model = toy_model(2);
  tuned_model.info.last_step = Step(0.5);
  const auto tuned = std::make_shared<const Model>(std::move(tuned_model));
  const auto spec = toy_domain()->codec(nullptr)->spec();
  for (const std::int64_t order : {1, 2}) {
    const auto sampler = dpm_solver({{"num_inference_steps", 6}, {"guidance_scale", 1.0}, {"solver_order", order}});
    const auto phases = sampler->phases({tuned->info, base->info}, nullptr);
    const std::vector<std::vector<SegmentModel>> models{
        {sampling::segment_model(tuned, conditions.tensors, 2), sampling::segment_model(base, conditions.tensors, 2)}};
    random::Draws draws({7, random::Purpose::sampling}, {0, 1});
    Kept kept;
    sampling::run_sampling(*sampler, {phases, models, spec, {}, 2, draws, at::kCPU, NeverStop()}, kept);
    const auto& grid = phases.front().grid;
    const auto& x = kept.states.at(3);
    const auto times = at::full({2}, grid.at(3).timestep, at::kFloat);
    const auto answer =
        base->network->predict(base->weights, {{"sample", x}}, times, base->network->embed(base->weights, conditions.tensors));
    const auto first = sampling::ddim_transition({{"sample", x}}, answer, {*base->process, grid.at(3), grid.at(2)}, 0.0).mean.at("sample");
    EXPECT_TRUE(at::allclose(kept.states.at(4), first, 1e-5, 1e-5)) << order;
    const auto other = sampling::ddim_transition({{"sample", kept.states.at(1)}}, answer, {*base->process, grid.at(5), grid.at(4)}, 0.0);
    EXPECT_FALSE(at::allclose(kept.states.at(2), other.mean.at("sample"), 1e-5, 1e-5)) << "the second step has another prediction";
  }
}

TEST(DpmSolver, SpacesTimestepsAsTheFileSaysAndElseByItsOwnDefault) {
  const std::vector<double> linspace{999, 749, 500, 250}, leading{800, 600, 400, 200}, trailing{999, 749, 499, 249};
  EXPECT_EQ(timesteps({{"num_inference_steps", 4}}), linspace);
  EXPECT_EQ(timesteps({{"num_inference_steps", 4}}, model_of("epsilon", {{"timestep_spacing", "leading"}})), leading);
  EXPECT_EQ(timesteps({{"num_inference_steps", 4}}, model_of("epsilon", {{"timestep_spacing", "trailing"}})), trailing);
  EXPECT_EQ(timesteps({{"num_inference_steps", 4}, {"timestep_spacing", "trailing"}}), trailing);
  EXPECT_EQ(timesteps({{"num_inference_steps", 1}, {"timestep_spacing", "leading"}}), (std::vector<double>{500}));
}

TEST(DpmSolver, EndsAtSigmaZeroWhateverSetAlphaToOneSays) {
  const auto end = [](const Options& options) {
    return dpm_solver(options)->phases({model_of("epsilon", {{"set_alpha_to_one", false}})}, nullptr).front().grid.at(0).level;
  };
  EXPECT_EQ(end({}).sigma, 0.0);
  EXPECT_NEAR(end({{"final_sigmas_type", "sigma_min"}}).sigma, std::sqrt(0.0001), 1e-6);
}

TEST(DpmSolver, RefusesStepsThatItsSpacingCannotGive) {
  const auto refusal = [](const Options& options, const ModelInfo& model = model_of("epsilon")) {
    return [=] { timesteps(options, model); };
  };
  EXPECT_EQ(timesteps({{"num_inference_steps", 999}}).size(), 999U);
  EXPECT_EQ(timesteps({{"num_inference_steps", 1000}, {"timestep_spacing", "trailing"}}).size(), 1000U);
  for (const char* spacing : {"linspace", "leading"}) {
    EXPECT_THAT(refusal({{"num_inference_steps", 1000}, {"timestep_spacing", spacing}}), ThrowsMessage<ConfigError>(HasSubstr("twice")));
  }
  EXPECT_THAT(refusal({{"num_inference_steps", 1001}}), ThrowsMessage<ConfigError>(HasSubstr("num_inference_steps = 1001")));
  EXPECT_THAT(refusal({{"num_inference_steps", 999}, {"timestep_spacing", "leading"}}, model_of("epsilon", {{"steps_offset", 1}})),
              ThrowsMessage<ConfigError>(HasSubstr("the first timestep would be 1000")));
  EXPECT_THAT([] { dpm_solver({{"use_karras_sigmas", true}}); }, ThrowsMessage<ConfigError>(HasSubstr("use_karras_sigmas")));
  EXPECT_THAT([] { dpm_solver({{"solver_order", 3}}); }, ThrowsMessage<ConfigError>(HasSubstr("solver_order")));
}

TEST(DpmSolver, HasALawGivenTheStateAloneOnlyOfTheSdeInFirstOrder) {
  EXPECT_THAT(dpm_solver()->no_transition_law(), HasSubstr("deterministic"));
  EXPECT_THAT(dpm_solver({{"solver_order", 1}})->no_transition_law(), HasSubstr("deterministic"));
  EXPECT_THAT(dpm_solver({{"algorithm_type", "sde-dpmsolver++"}})->no_transition_law(), HasSubstr("the prediction of the step before"));
  EXPECT_THAT(dpm_solver(kFirstOrderSde)->no_transition_law(), IsEmpty());
}

// Of second order a step is Gaussian given the state and the prediction before.
TEST(DpmSolver, DrawsAStepOfSecondOrderFromItsGaussian) {
  const diffusion::Level before{0.3, std::sqrt(1 - 0.09)}, from{0.5, std::sqrt(0.75)}, to{0.7, std::sqrt(0.51)};
  const auto x = at::full({4000, 4}, 0.4, at::kDouble);
  const dpm_solver::Before previous{{{"x", x * 0.1}}, before};
  const auto law = dpm_solver::transition({{"x", x}}, {{"x", x * 0.5}}, &previous, from, to, {.stochastic = true, .heun = false});
  const double h = std::log(to.alpha / to.sigma) - std::log(from.alpha / from.sigma);
  const double h0 = std::log(from.alpha / from.sigma) - std::log(before.alpha / before.sigma);
  const double decay = std::exp(-2 * h);
  const double mean = to.sigma / from.sigma * std::exp(-h) * 0.4 + to.alpha * (1 - decay) * (0.2 + 0.5 * h / h0 * (0.2 - 0.04));
  EXPECT_NEAR(law.mean.at("x").mean().item<double>(), mean, 1e-12);
  EXPECT_NEAR(law.std, to.sigma * std::sqrt(1 - decay), 1e-12);
  std::vector<std::uint64_t> rows(4000);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  random::Draws draws({1, random::Purpose::sampling}, rows);
  const auto drawn = law.draw(draws).at("x");
  EXPECT_NEAR(drawn.mean().item<double>(), mean, 4 * law.std / std::sqrt(16000));
  EXPECT_NEAR(drawn.std().item<double>(), law.std, 4 * law.std / std::sqrt(32000));
}

}  // namespace
}  // namespace espalier::conformance
