#include "runtime/sampling/noise_response.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "runtime/modelfile/folder.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sampling/guided_model.h"
#include "runtime/sdk/encoding.h"
#include "tests/conformance/toy.h"

namespace espalier::sampling {
namespace {

using diffusion::Prediction;

NoiseResponse response_of(Model model, const StateSpec& spec, const TensorMap& condition, std::uint64_t seed = 5) {
  const at::NoGradGuard no_grad;
  const auto twice = segment_model(std::make_shared<const Model>(std::move(model)), condition, 2);
  random::Draws draws({seed, random::Purpose::sampling}, {0, 1});
  draws.begin(0);
  const auto noise = twice.model->process->prior(spec, twice.condition, draws);
  return noise_response(999.0, noise, GuidedModel(twice, {}).predict(noise, 999.0));
}

// The toy network predicts scale x + bias.
NoiseResponse response_of_toy(double scale, double bias) {
  auto model = conformance::toy_model();
  model.weights.at("unet.scale").fill_(scale);
  model.weights.at("unet.slope").fill_(0.0);
  model.weights.at("unet.bias").fill_(bias);
  return response_of(model, conformance::toy_domain()->codec(nullptr)->spec(), {{"label", at::tensor({1, 1}, at::kLong)}});
}

TEST(NoiseResponse, IsTheSlopeBetweenTwoNoises) {
  const auto response = response_of_toy(0.25, 0.0);
  EXPECT_EQ(response.timestep, 999.0);
  EXPECT_NEAR(response.slope, 0.25, 1e-6);
  EXPECT_NEAR(response.explained, 1.0, 1e-6);
  EXPECT_NEAR(response.varying, 1.0, 0.2) << "independent noises";
  EXPECT_LT(response_of_toy(0.25, 2.0).varying, 0.05) << "most is common to both";
}

TEST(NoiseResponse, ShowsAPredictionWhereItIsPlain) {
  EXPECT_EQ(shown_prediction(response_of_toy(0.97, 0.1)), "epsilon");
  EXPECT_EQ(shown_prediction(response_of_toy(0.03, 0.5)), "v_prediction or sample");
  EXPECT_EQ(shown_prediction(response_of_toy(0.5, 0.5)), "") << "between";
  EXPECT_EQ(shown_prediction(response_of_toy(0.0, 0.0)), "") << "zeros";
  EXPECT_EQ(shown_prediction(response_of_toy(0.03, 0.0)), "") << "all of it varies with the noise";
}

TEST(NoiseResponse, ContradictsWhatTheFileNames) {
  const auto epsilon = response_of_toy(0.97, 0.1), velocity = response_of_toy(0.03, 0.5), between = response_of_toy(0.5, 0.5);
  EXPECT_FALSE(contradicts(epsilon, Prediction::epsilon));
  EXPECT_TRUE(contradicts(epsilon, Prediction::v_prediction));
  EXPECT_TRUE(contradicts(velocity, Prediction::epsilon));
  EXPECT_FALSE(contradicts(velocity, Prediction::v_prediction));
  EXPECT_FALSE(contradicts(velocity, Prediction::sample));
  for (const auto named : {Prediction::epsilon, Prediction::v_prediction, Prediction::sample}) EXPECT_FALSE(contradicts(between, named));
}

// A U-Net of 32 x 32 pixels: as it was trained (it predicts the velocity), and as it is drawn.
class OfAUNet : public testing::Test {
 protected:
  static NoiseResponse response(const std::string& name, std::uint64_t seed) {
    const std::string folder = ESPALIER_SOURCE_DIR "/datasets/models/" + name;
    const auto model = modelfile::load(folder, network::engine_networks(), {.initialize_weights = seed});
    Conditions conditions;
    conditions.text = {"a red circle", "a red circle"};
    conditions.metadata.resize(2);
    return response_of(model, {{"sample", {{3, 32, 32}, at::kFloat}}}, encode_conditions(conditions, model).tensors, seed);
  }
};

TEST_F(OfAUNet, ShowsTheVelocityOfTrainedWeights) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const auto found = response("shapes-base", seed);
    EXPECT_EQ(shown_prediction(found), "v_prediction or sample") << found.slope << " " << found.varying;
  }
}

TEST_F(OfAUNet, ShowsNothingOfRandomWeights) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const auto found = response("shapes-blank", seed);
    EXPECT_EQ(shown_prediction(found), "") << "slope " << found.slope << " varying " << found.varying << " explained " << found.explained;
  }
}

}  // namespace
}  // namespace espalier::sampling
