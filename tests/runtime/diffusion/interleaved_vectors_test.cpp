// Vectors of the interleaved process, alone and together with tokens, against Gaussians in closed form.
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <array>
#include <numbers>

#include "tests/runtime/diffusion/interleaved_oracle.h"

namespace espalier::diffusion {
namespace {

using namespace interleaved_oracle;
using Pair = std::array<double, 2>;
using Square = std::array<Pair, 2>;

class InterleavedVectors : public OneThread {};

// Two numbers, one to an element: their law at a step.
struct Moments {
  Pair mean;
  Square covariance;
};
constexpr Moments kData{{0.5, -1.0}, {{{0.6, 0.45}, {0.45, 0.5}}}};
constexpr Moments kNoise{{0.0, 0.0}, {{{1.0, 0.0}, {0.0, 1.0}}}};

// How often element e's vector was visited in the first n steps, of two elements.
std::int64_t visits(const InterleavedConfig& config, std::int64_t e, std::int64_t n) {
  if (config.order == VisitOrder::joint) return n;
  std::int64_t count = 0;
  for (std::int64_t step = 0; step < n; ++step) count += step % 4 == 2 * e + 1 ? 1 : 0;
  return count;
}

// A law at `from` steps, noised until there are `to`.
Moments noised(const InterleavedConfig& config, Moments law, std::int64_t from, std::int64_t to) {
  Pair rho;
  for (std::int64_t e = 0; e < 2; ++e) rho[e] = alpha_bar(config, visits(config, e, to)) / alpha_bar(config, visits(config, e, from));
  Moments next;
  for (std::size_t i = 0; i < 2; ++i) {
    next.mean[i] = std::sqrt(rho[i]) * law.mean[i];
    for (std::size_t j = 0; j < 2; ++j) next.covariance[i][j] = std::sqrt(rho[i] * rho[j]) * law.covariance[i][j];
    next.covariance[i][i] += 1.0 - rho[i];
  }
  return next;
}

// E[eps of element e | the state at n] = gain . (state - mean): eps has covariance sqrt(1 - abar) with its own element alone.
Pair gain(const InterleavedConfig& config, const Moments& law, std::int64_t e, std::int64_t n) {
  const auto& c = law.covariance;
  const double determinant = c[0][0] * c[1][1] - c[0][1] * c[1][0];
  const Square inverse = {{{c[1][1] / determinant, -c[0][1] / determinant}, {-c[1][0] / determinant, c[0][0] / determinant}}};
  const double scale = std::sqrt(1.0 - alpha_bar(config, visits(config, e, n)));
  return {scale * inverse[e][0], scale * inverse[e][1]};
}

State pairs(const at::Tensor& vector) {  // tokens frozen
  const auto batch = vector.size(0);
  State x = {{"token", at::zeros({batch, 2}, at::kLong)},
             {"vector", vector},
             {"present", at::ones({batch, 2}, at::kBool)},
             {"frozen", at::zeros({batch, 2, 2}, at::kBool)}};
  x["frozen"].select(-1, 0).fill_(true);
  return x;
}

// The optimal network: eps of both elements, of those that were visited.
State answer(const InterleavedConfig& config, const State& x, std::int64_t n) {
  const auto law = noised(config, kData, 0, n);
  const auto centred = x.at("vector").squeeze(-1) - column({law.mean[0], law.mean[1]}).to(x.at("vector").scalar_type());
  std::vector<at::Tensor> eps;
  for (std::int64_t e = 0; e < 2; ++e) {
    const auto g = gain(config, law, e, n);
    eps.push_back(centred.select(1, 0) * g[0] + centred.select(1, 1) * g[1]);
  }
  return {{"token", at::zeros({x.at("token").size(0), 2, 2})}, {"vector", at::stack(eps, 1).unsqueeze(-1)}};
}

// The law after a reverse step from n: an affine map of both, and fresh noise where m > 1.
Moments stepped_back(const InterleavedConfig& config, const Moments& law, std::int64_t n) {
  const auto answered = noised(config, kData, 0, n);
  Square map = {{{1.0, 0.0}, {0.0, 1.0}}};
  Pair offset = {0.0, 0.0}, fresh = {0.0, 0.0};
  for (std::int64_t e = 0; e < 2; ++e) {
    const auto m = visits(config, e, n);
    if (m == visits(config, e, n - 1)) continue;
    const double b = beta(config, m), abar = alpha_bar(config, m), before = alpha_bar(config, m - 1);
    const auto g = gain(config, answered, e, n);
    for (std::size_t j = 0; j < 2; ++j) {
      const double scale = b / std::sqrt(1.0 - abar) * g[j];
      map[e][j] = ((static_cast<std::size_t>(e) == j ? 1.0 : 0.0) - scale) / std::sqrt(1.0 - b);
      offset[e] += scale * answered.mean[j] / std::sqrt(1.0 - b);
    }
    fresh[e] = b * (1.0 - before) / (1.0 - abar);
  }
  Moments next{offset, {}};
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      next.mean[i] += map[i][j] * law.mean[j];
      for (std::size_t k = 0; k < 4; ++k) next.covariance[i][j] += map[i][k / 2] * law.covariance[k / 2][k % 2] * map[j][k % 2];
    }
    next.covariance[i][i] += fresh[i];
  }
  return next;
}

void expect_moments(const at::Tensor& vector, const Moments& law, double errors = 4.5) {
  const auto x = vector.squeeze(-1).to(at::kDouble);
  const auto count = static_cast<double>(x.size(0));
  const auto centred = x - x.mean(0);
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(x.mean(0)[i].item<double>(), law.mean[i], errors * std::sqrt(law.covariance[i][i] / count));
    for (std::int64_t j = 0; j <= i; ++j) {
      const double found = (centred.select(1, i) * centred.select(1, j)).mean().item<double>();
      const auto& c = law.covariance;
      EXPECT_NEAR(found, c[i][j], errors * std::sqrt((c[i][i] * c[j][j] + c[i][j] * c[i][j]) / count)) << i << j;
    }
  }
}

at::Tensor drawn(const Moments& law, std::int64_t count, std::uint64_t seed) {
  const auto z = draws_of(count, seed, random::Purpose::data).normals({2}, at::kDouble);
  const double first = std::sqrt(law.covariance[0][0]), shared = law.covariance[0][1] / first;
  const double rest = std::sqrt(law.covariance[1][1] - shared * shared);
  const auto a = z.select(1, 0) * first + law.mean[0], b = z.select(1, 0) * shared + z.select(1, 1) * rest + law.mean[1];
  return at::stack({a, b}, 1).unsqueeze(-1);
}

TEST_F(InterleavedVectors, StepsBackHaveTheClosedFormMoments) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(2, 2, 8, order, 0.02, 0.6);
    const Interleaved process(options);
    const auto steps = process.num_steps();
    const auto grid = process.grid(steps);
    auto draws = draws_of(60000, 8);
    State x = pairs(process.prior({{"vector", {{2, 1}, at::kFloat}}}, {}, draws).at("vector"));
    Moments law = kNoise;
    expect_moments(x.at("vector"), law);
    for (auto n = steps; n > 0; --n) {
      draws.begin(static_cast<std::uint32_t>(steps - n + 1));
      if (process.query(x, grid.at(n)).has_value()) {
        x = process.reverse_step(x, answer(options, process.query(x, grid.at(n)).value().input, n), grid.at(n), draws);
        law = stepped_back(options, law, n);
      }
      if (n == steps / 2 || n == steps / 4 + 1 || n == 1) expect_moments(x.at("vector"), law);
    }
  }
}

// With more, smaller steps the law of which the last test found the moments tends to the data's.
TEST_F(InterleavedVectors, TheirFormulasTendToTheDatasMoments) {
  double previous = 1.0;
  for (const std::int64_t rounds : {10, 40, 160}) {
    const auto options =
        config(2, 2, rounds, VisitOrder::round_robin, 0.01 / static_cast<double>(rounds), 12.0 / static_cast<double>(rounds + 4));
    Moments law = kNoise;
    for (auto n = 4 * rounds; n > 0; --n) law = stepped_back(options, law, n);
    double worst = 0.0;
    for (std::size_t i = 0; i < 4; ++i) worst = std::max(worst, std::abs(law.covariance[i / 2][i % 2] - kData.covariance[i / 2][i % 2]));
    EXPECT_LT(worst, previous / 2) << rounds;
    previous = worst;
  }
  EXPECT_LT(previous, 0.03);
}

TEST_F(InterleavedVectors, TheLastVisitBackIsDeterministicAndHasNoDensity) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(2, 2, 3, order);
    const Interleaved process(options);
    const auto grid = process.grid(process.num_steps());
    const auto x = pairs(drawn(kData, 5, 1));
    for (auto n = process.num_steps(); n > 0; --n) {
      const auto last = [&](std::int64_t e) { return visits(options, e, n) == 1 && visits(options, e, n - 1) == 0; };
      auto one = draws_of(5, 1), other = draws_of(5, 2);
      const auto prediction = answer(options, x, n);
      const auto a = process.reverse_step(x, prediction, grid.at(n), one);
      const auto b = process.reverse_step(x, prediction, grid.at(n), other);
      if (last(0) || last(1)) {
        EXPECT_TRUE(at::equal(a.at("vector"), b.at("vector"))) << n;
      }
      if (order == VisitOrder::round_robin && n % 2 == 0) {
        EXPECT_EQ(process.reverse_log_prob(x, prediction, a, grid.at(n)).has_value(), !last((n - 1) % 4 / 2)) << n;
        EXPECT_EQ(at::equal(a.at("vector"), b.at("vector")), last((n - 1) % 4 / 2)) << n;
      }
    }
  }
}

// log N(next; mean, variance), a mean over the numbers of a vector and over the vectors that move.
TEST_F(InterleavedVectors, LogProbabilityIsThatOfTheStep) {
  const auto round_robin = config(2, 2, 4), joint = config(2, 2, 4, VisitOrder::joint);
  for (const auto& options : {round_robin, joint}) {
    const Interleaved process(options);
    const auto grid = process.grid(process.num_steps());
    const std::int64_t n = options.order == VisitOrder::joint ? 3 : 10;  // round robin: element 0's vector
    const auto m = visits(options, 0, n);
    auto draws = draws_of(20, 3);
    const auto x = pairs(draws.normals({2, 3}, at::kDouble));
    const State prediction = {{"token", at::zeros({20, 2, 2})}, {"vector", draws.normals({2, 3}, at::kDouble)}};
    auto next = x;
    next["vector"] = draws.normals({2, 3}, at::kDouble);
    const auto found = process.reverse_log_prob(x, prediction, next, grid.at(n)).value();
    const double b = beta(options, m), abar = alpha_bar(options, m);
    const double variance = b * (1.0 - alpha_bar(options, m - 1)) / (1.0 - abar);
    const auto mean = (x.at("vector") - prediction.at("vector") * (b / std::sqrt(1.0 - abar))) / std::sqrt(1.0 - b);
    auto density = (next.at("vector") - mean).square() / (-2.0 * variance) - 0.5 * std::log(2.0 * std::numbers::pi * variance);
    density = density.mean(-1);  // [B, 2]
    const auto expected = options.order == VisitOrder::joint ? density.mean(1) : density.select(1, 0);
    EXPECT_TRUE(found.allclose(expected, 1e-5, 1e-5)) << options.num_rounds;
  }
}

TEST_F(InterleavedVectors, RenoisingHasTheMomentsOfManySteps) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(2, 2, 4, order);
    const Interleaved process(options);
    const auto last = process.num_steps();
    const std::vector<std::pair<std::int64_t, std::int64_t>> round_robin = {{0, 2}, {0, last}, {2, 4}, {3, 11}, {6, 13}},
                                                             joint = {{0, 1}, {0, last}, {1, 3}};
    for (const auto& [from, to] : order == VisitOrder::joint ? joint : round_robin) {
      auto draws = draws_of(100000, 50 + static_cast<std::uint64_t>(from * 20 + to));
      const auto noisy = process.renoise(pairs(drawn(kData, 100000, 2).to(at::kFloat)), from, to, draws);
      expect_moments(noisy.at("vector"), noised(options, kData, from, to));
    }
    auto draws = draws_of(10, 5);
    const auto x = pairs(drawn(kData, 10, 2).to(at::kFloat));
    EXPECT_TRUE(at::equal(process.renoise(x, 1, 1, draws).at("vector"), x.at("vector")));
  }
}

// One element: class c with probability kShare[c], its number N(kMean[c], kSpread^2). Everything that a network must answer is known.
constexpr Pair kShare = {0.3, 0.7}, kMean = {-1.5, 1.0};
constexpr double kSpread = 0.4;

at::Tensor class_weight(const InterleavedConfig& options, std::int64_t c, const at::Tensor& vector, std::int64_t vector_visits) {
  const double abar = alpha_bar(options, vector_visits), variance = abar * kSpread * kSpread + 1.0 - abar;
  return (vector - std::sqrt(abar) * kMean[c]).square().mul(-0.5 / variance).exp().mul(kShare[c]);
}

State mixed_answer(const InterleavedConfig& options, const State& input, std::int64_t n) {
  const auto token_visits = (n + 1) / 2, vector_visits = n / 2;
  const auto vector = input.at("vector").flatten().to(at::kDouble), token = input.at("token").flatten();
  const auto& shown = input.at("visit").eq(0);  // the token is visited: hidden, and one visit less noisy
  std::vector<at::Tensor> probability = {at::zeros_like(vector), at::zeros_like(vector)};
  auto eps = at::zeros_like(vector), total = at::zeros_like(vector);
  const double abar = alpha_bar(options, vector_visits), variance = abar * kSpread * kSpread + 1.0 - abar;
  const double kept = alpha_bar(options, token_visits), kept_before = alpha_bar(options, token_visits - 1);
  for (std::int64_t c = 0; c < 2; ++c) {
    const auto weight = class_weight(options, c, vector, vector_visits);
    for (std::int64_t k = 0; k < 2; ++k) probability[k] += weight * (kept_before * (c == k ? 1.0 : 0.0) + (1.0 - kept_before) / 2.0);
    const auto seen = weight * (token.eq(c).to(at::kDouble) * kept + (1.0 - kept) / 2.0);
    eps += seen * (vector - std::sqrt(abar) * kMean[c]) * (std::sqrt(1.0 - abar) / variance);
    total += seen;
  }
  EXPECT_TRUE(at::equal(shown, token.eq(2)));
  return {{"token", at::stack(probability, 1).log().unsqueeze(1)}, {"vector", (eps / total).view({-1, 1, 1}).to(at::kFloat)}};
}

// The variance of samples of one such number by itself: below the data's by the size of the steps.
double sampled_variance(const InterleavedConfig& options) {
  double variance = 1.0;
  for (auto m = options.num_rounds; m > 0; --m) {
    const double b = beta(options, m), abar = alpha_bar(options, m);
    const double slope = (1.0 - b / (abar * kSpread * kSpread + 1.0 - abar)) / std::sqrt(1.0 - b);
    variance = slope * slope * variance + b * (1.0 - alpha_bar(options, m - 1)) / (1.0 - abar);
  }
  return variance;
}

TEST_F(InterleavedVectors, TokensAndVectorsTogetherSampleTheirJointLaw) {
  const auto options = config(1, 2, 150, VisitOrder::round_robin, 1e-3, 0.08);
  const Interleaved process(options);
  const auto steps = process.num_steps();
  const auto grid = process.grid(steps);
  auto draws = draws_of(20000, 8);
  State x = process.prior({{"vector", {{1, 1}, at::kFloat}}}, {}, draws);
  for (auto n = steps; n > 0; --n) {
    draws.begin(static_cast<std::uint32_t>(steps - n + 1));
    x = process.reverse_step(x, mixed_answer(options, process.query(x, grid.at(n)).value().input, n), grid.at(n), draws);
    if (n != steps / 4 + 1 && n != 1) continue;
    const auto token_visits = n / 2, vector_visits = (n - 1) / 2;  // of the state at n - 1
    const double kept = alpha_bar(options, token_visits), abar = alpha_bar(options, vector_visits);
    for (std::int64_t k = 0; k < 2; ++k) {
      Pair joint;
      for (std::size_t c = 0; c < 2; ++c)
        joint[c] = kShare[c] * (kept * (static_cast<std::size_t>(k) == c ? 1.0 : 0.0) + (1.0 - kept) / 2.0);
      const double share = joint[0] + joint[1], mean = std::sqrt(abar) * (joint[0] * kMean[0] + joint[1] * kMean[1]) / share;
      const double apart = std::sqrt(abar) * (kMean[1] - kMean[0]);
      const double spread = n == 1 ? sampled_variance(options) : abar * kSpread * kSpread + 1.0 - abar;
      const double variance = spread + joint[0] * joint[1] / (share * share) * apart * apart;
      const auto chosen = x.at("token").flatten().eq(k);
      const auto vector = x.at("vector").flatten().masked_select(chosen);
      EXPECT_NEAR(chosen.to(at::kDouble).mean().item<double>(), share, 0.015) << n;
      EXPECT_NEAR(vector.mean().item<double>(), mean, 0.04) << n;
      EXPECT_NEAR(vector.var().item<double>(), variance, (n == 1 ? 0.06 : 0.1) * variance) << n;
    }
  }
}

// Three elements: 0 has its token given, 1 its vector, 2 is absent (whatever the condition holds for it).
TensorMap given(std::int64_t batch) {
  TensorMap condition = {{"token", at::full({batch, 3}, 2, at::kLong)},
                         {"vector", at::full({batch, 3, 2}, 7.0)},
                         {"present", at::ones({batch, 3}, at::kBool)},
                         {"frozen", at::zeros({batch, 3, 2}, at::kBool)}};
  condition["present"].select(1, 2).fill_(false);
  condition["frozen"].select(1, 0).select(1, 0).fill_(true);
  condition["frozen"].select(1, 1).select(1, 1).fill_(true);
  condition["frozen"].select(1, 2).fill_(true);
  return condition;
}

void expect_given(const State& x) {
  EXPECT_TRUE(x.at("token").select(1, 0).eq(2).all().item<bool>());
  EXPECT_TRUE(x.at("vector").select(1, 1).eq(7.0).all().item<bool>());
  EXPECT_TRUE(x.at("token").select(1, 2).eq(0).all().item<bool>());
  EXPECT_TRUE(x.at("vector").select(1, 2).eq(0.0).all().item<bool>());
  EXPECT_FALSE(x.at("frozen").select(1, 2).any().item<bool>());
}

TEST_F(InterleavedVectors, GivenPartsAndAbsentElementsNeverChange) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(3, 4, 2, order);
    const Interleaved process(options);
    const auto steps = process.num_steps();
    const auto grid = process.grid(steps);
    auto draws = draws_of(50, 8);
    State x = process.prior({{"vector", {{3, 2}, at::kFloat}}}, given(50), draws);
    const State prediction = {{"token", draws.normals({3, 4})}, {"vector", draws.normals({3, 2})}};
    expect_given(x);
    const auto first = x;
    for (auto n = steps; n > 0; --n) {
      draws.begin(static_cast<std::uint32_t>(n));
      const auto position = (n - 1) % 6;
      const bool active = order == VisitOrder::joint || position == 1 || position == 2;
      EXPECT_EQ(process.query(x, grid.at(n)).has_value(), active) << n;
      const auto next = process.reverse_step(x, prediction, grid.at(n), draws);
      expect_given(next);
      if (!active) {
        const auto log_prob = process.reverse_log_prob(x, prediction, next, grid.at(n));
        EXPECT_TRUE(!log_prob || log_prob->eq(0.0).all().item<bool>()) << "nothing is drawn at " << n;
      }
      x = next;
      expect_given(process.renoise(x, n - 1, steps, draws));
    }
    EXPECT_FALSE(at::equal(x.at("vector").select(1, 0), first.at("vector").select(1, 0)));
    EXPECT_FALSE(at::equal(x.at("token").select(1, 1), first.at("token").select(1, 1)));
  }
}

TEST_F(InterleavedVectors, WithoutAConditionEverythingIsPresentAndFree) {
  auto draws = draws_of(4, 8);
  const auto x = Interleaved(config(3, 4, 2)).prior({{"vector", {{3, 2}, at::kFloat}}}, {}, draws);
  EXPECT_TRUE(x.at("present").all().item<bool>());
  EXPECT_FALSE(x.at("frozen").any().item<bool>());
  EXPECT_EQ(x.at("token").sizes(), (std::vector<std::int64_t>{4, 3}));
}

}  // namespace
}  // namespace espalier::diffusion
