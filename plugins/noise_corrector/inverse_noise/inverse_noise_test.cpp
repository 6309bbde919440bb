#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "plugins/noise_corrector/inverse_noise/flat_states.h"
#include "runtime/network/unet.h"
#include "runtime/sampling/embedding.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using inverse_noise::FlatStates;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kType = "noise_corrector.inverse_noise";

TEST(InverseNoise, Conforms) {
  check_noise_corrector(plugin(kType), {});
  check_noise_corrector(plugin(kType), {{"anderson_memory", 0}, {"known_noise_per_block", 0}});
  check_noise_corrector(plugin(kType), {{"num_inference_steps", 1}, {"perturbation", 0.1}, {"max_iterations", 4}});
}

class LastState final : public Recorder {
 public:
  void record(const diffusion::GridPoint&, const State& state) override {
    if (first.empty()) first = state;
    last = state;
  }
  State first, last;
};

LastState invert(const Options& options, const Model& model, const std::vector<std::uint64_t>& positions, std::int64_t micro_batch = 4) {
  const auto domain = toy_domain();
  const auto corrector = make<NoiseCorrector>(plugin(kType), options);
  const auto phases = corrector->phases({model.info}, nullptr);
  const auto batch = encoded(*domain, "train", model)->at(positions);
  const std::vector<std::vector<SegmentModel>> models{
      {sampling::segment_model(std::make_shared<const Model>(model), batch.condition, micro_batch)}};
  random::Draws draws({7, random::Purpose::sampling}, positions);
  LastState recorded;
  const at::NoGradGuard no_grad;
  const auto spec = domain->codec(&model.info)->spec();
  corrector->compute({phases, models, spec, batch.state, micro_batch, draws, at::kCPU, NeverStop()}, recorded);
  return recorded;
}

// The toy's velocity is -(scale x + bias + slope (1-t)), so that Euler's step back is y = (x + h shift)/(1 - h scale).
TEST(InverseNoise, OfALinearFlowIsItsClosedForm) {
  constexpr std::int64_t kSteps = 4;
  const auto model = toy_model(1, "rectified_flow");
  const std::vector<std::uint64_t> positions{0, 1, 2, 3, 4, 5, 6};
  const auto recorded = invert({{"num_inference_steps", kSteps}, {"tolerance", 1e-6}}, model, positions);
  const auto domain = toy_domain();
  const auto batch = encoded(*domain, "train", model)->at(positions);
  const auto bias = model.weights.at("unet.bias").index_select(0, batch.condition.at("label")).view({-1, 1, 1, 1});
  auto x = batch.state.at("sample");
  for (std::int64_t n = 1; n <= kSteps; ++n) {
    const double noise_share = static_cast<double>(n) / kSteps, h = 1.0 / kSteps;
    x = (x + h * (bias + model.weights.at("unet.slope") * noise_share)) / (1.0 - h * model.weights.at("unet.scale"));
  }
  EXPECT_TRUE(recorded.last.at("sample").allclose(x, 1e-4, 1e-5));
  EXPECT_TRUE(recorded.last.at(inversion::kConverged).eq(1).all().item<bool>());
  EXPECT_LT(recorded.last.at(inversion::kRoundTripError).max().item<double>(), 1e-5);
}

TEST(InverseNoise, CertifiesOnKnownNoiseInABlocksFirstRows) {
  const auto model = toy_model(1, "rectified_flow");
  const auto known = invert({{"known_noise_per_block", 3}}, model, {0, 1, 2, 3, 4}).last.at(inversion::kKnownNoiseError);
  EXPECT_LT(known.narrow(0, 0, 3).max().item<double>(), 4e-4);  // 20 steps of 1e-5, magnified 1.7 times by a flow that contracts
  EXPECT_TRUE(at::isnan(known.narrow(0, 3, 2)).all().item<bool>());
  const auto none = invert({{"known_noise_per_block", 0}}, model, {0, 1}).last.at(inversion::kKnownNoiseError);
  EXPECT_TRUE(at::isnan(none).all().item<bool>());
  const auto all = invert({{"known_noise_per_block", 9}}, model, {0, 1}).last.at(inversion::kKnownNoiseError);
  EXPECT_FALSE(at::isnan(all).any().item<bool>());
}

TEST(InverseNoise, PerturbsExamplesByFreshNoiseOfTheirOwn) {
  const auto model = toy_model(1, "rectified_flow");
  const auto plain = invert({}, model, {4, 9}), perturbed = invert({{"perturbation", 0.25}}, model, {4, 9});
  const auto added = (perturbed.first.at("sample") - plain.first.at("sample")) / 0.25;
  EXPECT_NEAR(added.mean().item<double>(), 0.0, 0.2);
  EXPECT_NEAR(added.square().mean().item<double>(), 1.0, 0.25);
  EXPECT_FALSE(at::equal(added[0], added[1]));
  EXPECT_LT(perturbed.last.at(inversion::kRoundTripError).max().item<double>(), 2.1e-4) << "it goes back to the perturbed example";
}

TEST(InverseNoise, MarksWhatDoesNotConverge) {
  auto model = toy_model(1, "rectified_flow");
  model.weights["unet.scale"] = model.weights["unet.scale"] * 0.0 + 2.4;  // hL = 1.2 at two steps
  const auto picard = invert({{"num_inference_steps", 2}, {"anderson_memory", 0}}, model, {0, 1, 2});
  EXPECT_TRUE(picard.last.at(inversion::kConverged).eq(0).all().item<bool>());
  EXPECT_NEAR(picard.last.at(inversion::kContraction).select(1, 0)[0].item<double>(), 1.2, 1e-3);
  const auto anderson = invert({{"num_inference_steps", 2}}, model, {0, 1, 2});
  EXPECT_TRUE(anderson.last.at(inversion::kConverged).eq(1).all().item<bool>());
}

TEST(InverseNoise, RefusesADiffusionModelByName) {
  const auto corrector = make<NoiseCorrector>(plugin(kType));
  EXPECT_THAT([&] { corrector->phase(toy_model().info); }, ThrowsMessage<ConfigError>(HasSubstr("'variance_preserving'")));
  auto half = toy_model(1, "rectified_flow").info;
  half.last_step = Step(0.5);
  EXPECT_THAT([&] { corrector->phase(half); }, ThrowsMessage<ConfigError>(HasSubstr("no model is for step")));
  auto classifier = toy_model(1, "rectified_flow").info;
  classifier.role = "classifier";
  EXPECT_THAT([&] { corrector->phase(classifier); }, ThrowsMessage<ConfigError>(HasSubstr("role 'classifier'")));
}

TEST(FlatStates, GoThereAndBackAndRefuseExamplesOfAnotherSize) {
  const FlatStates states({{"a", {{2, 3}, at::kFloat}}, {"b", {{4}, at::kDouble}}});
  const auto rows = at::zeros({5, 10}) + at::zeros({5, 1}).fill_(2.0);
  const auto state = states.unflatten(rows);
  EXPECT_EQ(states.size(), 10);
  EXPECT_EQ(state.at("a").sizes().vec(), (std::vector<std::int64_t>{5, 2, 3}));
  EXPECT_EQ(state.at("b").scalar_type(), at::kDouble);
  EXPECT_TRUE(at::equal(states.flatten(state), rows));
  EXPECT_THAT([&] { states.flatten({{"a", at::zeros({5, 3, 3})}, {"b", at::zeros({5, 4})}}); },
              ThrowsMessage<DataError>(HasSubstr("'a' is [3, 3], but the domain's states are [2, 3]")));
  EXPECT_THAT([&] { states.flatten({{"a", at::zeros({5, 2, 3})}}); }, ThrowsMessage<DataError>(HasSubstr("no 'b'")));
}

// An image's bits must not depend on its place in the micro-batch, or replacing a converged one would change the others' results.
TEST(InverseNoise, RestsOnAUNetWhoseRowsAreIndependentOfTheirPlace) {
  const auto config = parse_json(R"({"_class_name": "UNet2DConditionModel", "sample_size": 16, "in_channels": 1, "out_channels": 1,
    "block_out_channels": [32, 64], "down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"],
    "mid_block_type": null, "layers_per_block": 1, "norm_num_groups": 8})",
                                 "a test");
  const network::UNet unet(config, "a test");
  const auto weights = unet.initialize("", 3);
  random::Draws draws({1, random::Purpose::evaluation}, {0, 1, 2, 3, 4, 5, 6, 7});
  const auto x = draws.normals({1, 16, 16}), time = draws.uniforms({}).to(at::kFloat) * 1000.0;
  const at::NoGradGuard no_grad;
  const auto straight = unet.forward(weights, "", x, time, {}), turned = unet.forward(weights, "", x.flip(0), time.flip(0), {});
  EXPECT_TRUE(at::equal(straight, turned.flip(0)));
  const auto mixed = at::cat({x.narrow(0, 0, 4), x.narrow(0, 0, 1).expand({4, 1, 16, 16})});
  const auto times = at::cat({time.narrow(0, 0, 4), time.narrow(0, 0, 1).expand({4})});
  EXPECT_TRUE(at::equal(unet.forward(weights, "", mixed, times, {}).narrow(0, 0, 4), straight.narrow(0, 0, 4)));
}

}  // namespace
}  // namespace espalier::conformance
