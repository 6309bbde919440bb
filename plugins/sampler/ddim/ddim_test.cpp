#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include <cmath>

#include "runtime/diffusion/variance_preserving.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sampling/run_sampling.h"
#include "runtime/sampling/transition.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::unique_ptr<Sampler> ddim(const Options& options = {}) { return make<Sampler>(plugin("sampler.ddim"), options); }

TEST(Ddim, ConformsAtEveryEtaAndGuidance) {
  check_sampler(plugin("sampler.ddim"), {});
  check_sampler(plugin("sampler.ddim"), {{"eta", 1.0}, {"guidance_scale", 1.0}});
  check_sampler(plugin("sampler.ddim"), {{"eta", 0.5}, {"guidance_scale", 3.0}});
}

// Keeps the last state recorded.
class Last final : public Recorder {
 public:
  void record(const diffusion::GridPoint&, const State& state) override { sample = state.at("sample").clone(); }
  at::Tensor sample;
};

// The whole chain by hand, from the process and the network alone.
at::Tensor by_hand(const Model& model, const Conditions& conditions, std::int64_t steps, double guidance, double eta) {
  random::Draws draws({7, random::Purpose::sampling}, {0, 1, 2});
  const auto grid = model.process->grid(steps);
  draws.begin(0);
  at::Tensor x = draws.normals({3, 8, 8});
  for (std::int64_t n = steps; n > 0; --n) {
    draws.begin(static_cast<std::uint32_t>(steps - n + 1));
    const auto time = at::Tensor(x.select(1, 0).select(1, 0).select(1, 0) * 0 + grid.at(n).timestep);
    const auto answer = [&](const TensorMap& condition) {
      return model.network->predict(model.weights, {{"sample", x}}, time, model.network->embed(model.weights, condition)).at("sample");
    };
    const auto empty = answer({{"label", conditions.null_tensors.at("label").expand({3})}});
    const auto eps = empty + guidance * (answer(conditions.rows({0, 1, 2}).tensors) - empty);
    x = sampling::ddim_transition({{"sample", x}}, {{"sample", eps}}, {*model.process, grid.at(n), grid.at(n - 1)}, eta)
            .draw(draws)
            .at("sample");
  }
  return x;
}

TEST(Ddim, IsTheProcessesStepsUnderGuidance) {
  const auto domain = toy_domain();
  const auto conditions = domain->data().conditions("train");
  const auto spec = domain->codec(nullptr)->spec();
  const auto model = std::make_shared<const Model>(toy_model());
  const std::vector<std::vector<SegmentModel>> models{
      {sampling::segment_model(model, conditions.rows({0, 1, 2}).tensors, 3, conditions.null_tensors)}};
  for (const double eta : {0.0, 1.0}) {
    const auto sampler = ddim({{"num_inference_steps", 9}, {"guidance_scale", 2.5}, {"eta", eta}});
    const auto phases = sampler->phases({model->info}, nullptr);
    random::Draws draws({7, random::Purpose::sampling}, {0, 1, 2});
    Last last;
    sampling::run_sampling(*sampler, {phases, models, spec, {}, 3, draws, at::kCPU, NeverStop()}, last);
    EXPECT_TRUE(last.sample.allclose(by_hand(*model, conditions, 9, 2.5, eta), 1e-5, 1e-5));
  }
}

TEST(Ddim, StepsToTheNextTimestepUnlessDiffusersNumbersAreRequested) {
  auto info = toy_model().info;
  info.process["timestep_spacing"] = "linspace";
  const diffusion::VariancePreserving process(diffusion::read_scheduler_config(info.process, "toy"));
  const auto alpha_bar = [&](double timestep) { return process.alpha_bars().at(static_cast<std::size_t>(timestep)); };
  const auto grid = ddim({{"num_inference_steps", 5}})->phases({info}, nullptr).front().grid;
  EXPECT_DOUBLE_EQ(std::pow(grid.at(4).level.alpha, 2), alpha_bar(grid.at(4).timestep));
  const auto theirs = ddim({{"num_inference_steps", 5}, {"diffusers_previous_timestep", true}})->phases({info}, nullptr).front().grid;
  EXPECT_EQ(theirs.at(5).timestep, 999.0);
  EXPECT_EQ(theirs.at(4).timestep, grid.at(4).timestep);
  EXPECT_DOUBLE_EQ(std::pow(theirs.at(4).level.alpha, 2), alpha_bar(799));
}

TEST(Ddim, KeysDiffusersNumbersWhereTheyAreRequested) {
  const auto sampler = ddim();
  Schema schema;
  sampler->options(schema);
  const auto keyed = [&] { return schema.values(OptionRole::keyed).find("diffusers_previous_timestep") != nullptr; };
  EXPECT_FALSE(keyed());
  EXPECT_TRUE(schema.read(Value::Map{{"diffusers_previous_timestep", true}}).empty());
  EXPECT_TRUE(keyed());
}

TEST(Ddim, GuidanceDoublesTheEvaluations) {
  const auto guided = ddim(), plain = ddim({{"guidance_scale", 1.0}});
  EXPECT_EQ(network_evaluations(*sampling::source_of(*guided), guided->phases({toy_model().info}, nullptr)), 100);
  EXPECT_EQ(network_evaluations(*sampling::source_of(*plain), plain->phases({toy_model().info}, nullptr)), 50);
}

TEST(Ddim, RefusesModelsOfDifferentProcessesAndRoles) {
  auto base = toy_model().info;
  auto tuned = base;
  tuned.last_step = Step(0.5);
  tuned.process["beta_end"] = 0.03;
  EXPECT_THAT([&] { ddim()->phases({tuned, base}, nullptr); }, ThrowsMessage<ConfigError>(HasSubstr("beta_end: 0.03 and 0.02")));
  tuned.process = base.process;
  tuned.process["prediction_type"] = "v_prediction";  // the state they hand over is the same
  EXPECT_EQ(ddim()->phases({tuned, base}, nullptr).front().segments.size(), 2U);
  base.role = "classifier";
  EXPECT_THAT([&] { ddim()->phases({base}, nullptr); }, ThrowsMessage<ConfigError>(HasSubstr("role 'classifier'")));
}

TEST(Ddim, RefusesMoreStepsThanTheModelWasTrainedWith) {
  EXPECT_THAT([&] { ddim({{"num_inference_steps", 1001}})->phases({toy_model().info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("num_inference_steps = 1001")));
}

}  // namespace
}  // namespace espalier::conformance
