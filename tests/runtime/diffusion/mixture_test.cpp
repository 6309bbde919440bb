// What GRAFT, P-GRAFT and stitched sampling draw from, on a mixture whose scores are exact (eta = 1, N = 1000).
#include <ATen/ops/bincount.h>
#include <ATen/ops/bucketize.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <functional>

#include "runtime/sampling/transition.h"
#include "tests/runtime/diffusion/mixture.h"
#include "tests/runtime/diffusion/support.h"

namespace espalier::diffusion {
namespace {

constexpr std::int64_t kSteps = 1000;
constexpr std::int64_t kIntermediate = 500;  // steps remaining at which rewards are given: alpha_bar near 1/2
constexpr double kCentre = 1.6;
constexpr double kWidth = 0.7;
constexpr std::int64_t kElements = 500;  // independent scalars a state: fewer random blocks than a state each
constexpr std::int64_t kBins = 40;
constexpr double kAccept = 80.0;  // chi-square with 39 degrees of freedom: p = 1e-4
constexpr double kReject = 1000.0;

const Mixture& base() {
  static const Mixture law{{0.5, 0.3, 0.2}, {-1.2, 0.4, 1.6}, {0.12, 0.06, 0.09}};
  return law;
}
Mixture tilted() { return base().tilted(kCentre, kWidth); }

const VariancePreserving& process() {
  static const VariancePreserving value = [] {
    auto config = plain();
    config.beta_schedule = BetaSchedule::squaredcos_cap_v2;  // at N = 1000 half the discretisation error of `linear`
    return VariancePreserving(config);
  }();
  return value;
}
const Grid& grid() {
  static const Grid value = process().grid(kSteps);
  return value;
}
double alpha_bar(std::int64_t steps_remaining) { return std::pow(grid().at(steps_remaining).level.alpha, 2); }

at::Tensor exact_eps(const Mixture& law, const at::Tensor& x, const at::Tensor& abar) {
  return answer(Prediction::epsilon, x, law.clean_mean(x, abar), abar);
}

// Steps first -> last with the exact network of `law`.
at::Tensor sample(const Mixture& law, at::Tensor x, std::int64_t first, std::int64_t last, random::Draws& draws) {
  for (std::int64_t n = first; n > last; --n) {
    draws.begin(static_cast<std::uint32_t>(kSteps + 1 - n));
    const auto abar = column({process().alpha_bars()[static_cast<std::size_t>(grid().at(n).timestep)]});
    x = sampling::ddim_transition({{"x", x}}, {{"x", exact_eps(law, x, abar)}}, {process(), grid().at(n), grid().at(n - 1)}, 1.0)
            .draw(draws)
            .at("x");
  }
  return x;
}

at::Tensor noise(random::Draws& draws) {
  draws.begin(0);
  return process().prior({{"x", {{kElements}, at::kDouble}}}, {}, draws).at("x");
}

// Chi-square of samples against a density (any scale), over bins of equal width and the two tails. Edges lie midway between the points of
// the quadrature, so that its midpoint rule is exact to second order in every bin.
double chi_square(const at::Tensor& samples, const std::function<at::Tensor(const at::Tensor&)>& density) {
  const auto x = at::linspace(-8.0, 8.0, 3201, at::kDouble);
  const auto edges = at::linspace(-2.0025, -2.0025 + 0.11 * (kBins - 2), kBins - 1, at::kDouble);
  const auto mass = density(x);
  auto expected = at::bincount(at::bucketize(x, edges), mass, kBins);
  expected = expected / expected.sum() * static_cast<double>(samples.numel());
  const auto found = at::bincount(at::bucketize(samples.flatten(), edges), std::nullopt, kBins).to(at::kDouble);
  return ((found - expected).square() / expected.clamp_min(1.0)).sum().item<double>();
}

double distance_to(const Mixture& law, const at::Tensor& samples) {
  return chi_square(samples, [&](const at::Tensor& x) { return law.density(x); });
}
double distance_to_stitched(const at::Tensor& samples) {
  return chi_square(samples, [](const at::Tensor& x) { return stitched_density(base(), tilted(), alpha_bar(kIntermediate), x); });
}

class MixtureOracle : public OneThread {};

TEST_F(MixtureOracle, StitchedSamplesFollowThePredictedLawAndNoOther) {
  auto draws = draws_of(100000 / kElements, 1);
  const auto intermediate = sample(tilted(), noise(draws), kSteps, kIntermediate, draws);
  const auto stitched = sample(base(), intermediate, kIntermediate, 0, draws);
  EXPECT_LT(distance_to_stitched(stitched), kAccept);
  EXPECT_GT(distance_to(tilted(), stitched), kReject) << "the full tilt";
  EXPECT_GT(distance_to(base(), stitched), kReject) << "no tilt";

  const auto graft = sample(tilted(), intermediate, kIntermediate, 0, draws);  // n_I = 0: tuned all the way
  EXPECT_LT(distance_to(tilted(), graft), kAccept);
  EXPECT_GT(distance_to(base(), graft), kReject);
  EXPECT_GT(distance_to_stitched(graft), kReject);
}

// Base trajectories with the reward of their ends: what a trainer is given.
struct Trajectories {
  at::Tensor intermediate, clean;
};
Trajectories accepted_trajectories() {
  auto draws = draws_of(60000 / kElements, 2);
  const auto intermediate = sample(base(), noise(draws), kSteps, kIntermediate, draws);
  const auto clean = sample(base(), intermediate, kIntermediate, 0, draws);
  draws.begin(kSteps + 1);
  const auto accept = draws.uniforms({kElements}) < ((clean - kCentre).square() * (-0.5 / (kWidth * kWidth))).exp();
  EXPECT_NEAR(accept.to(at::kDouble).mean().item<double>(), base().acceptance(kCentre, kWidth), 0.01);
  return {intermediate.masked_select(accept), clean.masked_select(accept)};
}

// Whether `law`'s exact network minimises the loss: chi-square over bins of X_s of the loss's gradient with respect to the answer, which
// has mean 0 in every bin at the minimum.
double gradient_chi_square(const Mixture& law, const TrainingBatch& batch) {
  auto draws = draws_of(batch.start.at("x").size(0), 9, random::Purpose::training);
  auto shift = at::zeros_like(batch.start.at("x")).requires_grad_(true);
  const auto table = column(process().alpha_bars());
  at::Tensor where;
  process()
      .loss(
          [&](const State& noisy, const at::Tensor& timestep) {
            const auto& x = noisy.at("x");
            const auto abar = table.index_select(0, timestep.to(at::kLong));
            where = at::bucketize(x, at::linspace(-2.0, 2.0, kBins - 1, at::kDouble));
            return State{{"x", exact_eps(law, x, abar) + shift}};
          },
          batch, draws)
      .sum()
      .backward();
  const auto& gradient = shift.grad();
  const auto sum = at::bincount(where, gradient, kBins);
  const auto square = at::bincount(where, gradient.square(), kBins);
  return (sum.square() / square).sum().item<double>();
}

TEST_F(MixtureOracle, BothLossesOnAcceptedTrajectoriesAreMinimalAtTheTiltedScores) {
  const auto accepted = accepted_trajectories();
  EXPECT_LT(distance_to(tilted().noised(alpha_bar(kIntermediate)), accepted.intermediate), kAccept);
  EXPECT_GT(distance_to(base().noised(alpha_bar(kIntermediate)), accepted.intermediate), kReject);
  EXPECT_LT(distance_to(tilted(), accepted.clean), kAccept);

  const auto level = grid().at(kIntermediate).level;
  const TrainingBatch forward{{{"x", accepted.intermediate}}, level, level};
  const TrainingBatch clean{{{"x", accepted.clean}}, {}, level};
  for (const auto& batch : {forward, clean}) {
    EXPECT_LT(gradient_chi_square(tilted(), batch), kAccept);
    EXPECT_GT(gradient_chi_square(base(), batch), kReject);
  }
}

}  // namespace
}  // namespace espalier::diffusion
