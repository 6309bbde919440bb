#include "plugins/trainer/dpo/preference_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tests/conformance/toy.h"

namespace espalier::dpo {
namespace {

constexpr random::StreamKey kNoise{.seed = 3, .purpose = random::Purpose::training, .round = 0, .branch = 0};
const std::vector<std::uint64_t> kPositions = {4, 9};

State some_state(std::uint64_t seed) {
  random::Draws draws({.seed = seed, .purpose = random::Purpose::data, .round = 0, .branch = 0}, {0, 1});
  return {{"x", draws.normals({6}, at::kDouble)}};
}

// What a network was given.
struct Asked {
  at::Tensor noisy, timestep;
};
diffusion::Predict remember(Asked& asked, double gain) {
  return [&asked, gain](const State& noisy, const at::Tensor& timestep) -> State {
    asked = {noisy.at("x"), timestep};
    return {{"x", noisy.at("x") * gain}};
  };
}

PreferenceLoss loss_of(const std::string& process, const diffusion::Predict& trained, const diffusion::Predict& reference, double beta) {
  return preference_loss(*conformance::toy_model(1, process).process, trained, reference, some_state(1), some_state(2), kNoise, kPositions,
                         beta);
}

TEST(PreferenceLoss, GivesBothOfAPairAndBothNetworksTheSameNoiseAndTimestep) {
  for (const char* name : {"variance_preserving", "rectified_flow"}) {
    Asked trained, reference;
    loss_of(name, remember(trained, 0.5), remember(reference, 0.25), 1.0);
    EXPECT_TRUE(at::equal(trained.noisy, reference.noisy)) << name;
    EXPECT_TRUE(at::equal(trained.timestep, reference.timestep)) << name;
    ASSERT_EQ(trained.timestep.size(0), 4);
    EXPECT_TRUE(at::equal(trained.timestep.narrow(0, 0, 2), trained.timestep.narrow(0, 2, 2))) << name;
    EXPECT_NE(trained.timestep[0].item<double>(), trained.timestep[1].item<double>()) << "pairs have their own timesteps";
    // alpha (x_w - x_l) is all that is left of the difference where the noise is the same.
    const auto process = conformance::toy_model(1, name).process;
    const auto clean = some_state(1).at("x") - some_state(2).at("x");
    for (std::int64_t pair = 0; pair < 2; ++pair) {
      const auto alpha = process->level(trained.timestep[pair].item<double>()).alpha;
      EXPECT_TRUE(at::allclose(trained.noisy[pair] - trained.noisy[2 + pair], clean[pair] * alpha, 1e-5, 1e-6)) << name;
    }
  }
}

TEST(PreferenceLoss, OfTheReferenceItselfIsLogTwo) {
  Asked asked;
  const auto same = loss_of("variance_preserving", remember(asked, 0.5), remember(asked, 0.5), 2500.0);
  EXPECT_DOUBLE_EQ(same.loss.item<double>(), std::log(2.0));
  EXPECT_EQ(same.accuracy.item<double>(), 0.5);
  EXPECT_EQ(same.error.item<double>(), same.reference_error.item<double>());
}

// Predicts the noise exactly, or is off by `error` in each element, for winners and losers.
diffusion::Predict off_by(double of_winners, double of_losers, const at::Tensor& noise) {
  return [=](const State& noisy, const at::Tensor&) -> State {
    const auto like = at::zeros_like(noisy.at("x"));
    const auto pairs = like.size(0) / 2;
    return {{"x", at::cat({noise + like.narrow(0, 0, pairs) + of_winners, noise + like.narrow(0, pairs, pairs) + of_losers})}};
  };
}

// theta_w = 0.1^2, theta_l = 0.4^2, ref_w = 0.3^2, ref_l = 0.2^2: the margin is (0.09 - 0.04) - (0.01 - 0.16) = 0.2.
TEST(PreferenceLoss, IsTheFormula) {
  random::Draws draws(kNoise, kPositions);
  draws.integers({}, 1000);  // the timesteps
  const auto noise = draws.normals({6}, at::kDouble);
  const auto result = loss_of("variance_preserving", off_by(0.1, 0.4, noise), off_by(0.3, 0.2, noise), 7.0);
  EXPECT_NEAR(result.loss.item<double>(), std::log1p(std::exp(-7.0 * 0.2)), 1e-12);
  EXPECT_EQ(result.accuracy.item<double>(), 1.0);
  EXPECT_NEAR(result.error.item<double>(), 0.085, 1e-12);
  EXPECT_NEAR(result.reference_error.item<double>(), 0.065, 1e-12);
  EXPECT_EQ(loss_of("variance_preserving", off_by(0.4, 0.1, noise), off_by(0.3, 0.2, noise), 7.0).accuracy.item<double>(), 0.0);
}

}  // namespace
}  // namespace espalier::dpo
