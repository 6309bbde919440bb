// Tokens of the interleaved process against chains that are enumerated state by state.
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "tests/runtime/diffusion/interleaved_oracle.h"

namespace espalier::diffusion {
namespace {

using namespace interleaved_oracle;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kChance = 5.0;  // standard deviations of a chi-square statistic that the fixed seeds may lie above its mean
constexpr std::int64_t kMany = 120000;

InterleavedConfig gibbs(InterleavedConfig config) {
  config.token_reversal = TokenReversal::gibbs;
  return config;
}

std::vector<InterleavedConfig> small_chains() { return {config(2, 3, 3), config(3, 2, 2), config(1, 4, 3)}; }

void expect_equal(const Law& a, const Law& b, double tolerance = 1e-6) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << "state " << i;
}

// The largest difference between p_n(x) p(y | x) as the process steps back and p_(n-1)(y) p(x | y) as the chain goes on, over the pairs
// that differ at most in the visited token.
double reversal_error(const Interleaved& process, const Chain& chain, std::int64_t n) {
  double worst = 0.0;
  const auto element = chain.visited_token(n);
  const auto x = chain.all_states();
  const auto prediction = chain.answer(process.query(x, process.grid(process.num_steps()).at(n)).value().input, n);
  for (std::int64_t k = 0; k < chain.config().num_classes; ++k) {
    std::vector<std::int64_t> next;
    for (std::int64_t state = 0; state < chain.num_states(); ++state) next.push_back(chain.with(state, element, k));
    const auto back = transition(process, x, prediction, chain.states(next), n);
    for (std::int64_t state = 0; state < chain.num_states(); ++state) {
      const double on = chain.law(n - 1)[next[state]] * chain.forward(n, next[state], state);
      worst = std::max(worst, std::abs(chain.law(n)[state] * back[state] - on));
    }
  }
  return worst;
}

class InterleavedTokens : public OneThread {};

TEST_F(InterleavedTokens, PosteriorStepsAreTheExactTimeReversal) {
  for (const auto& options : small_chains()) {
    const Interleaved process(options);
    const Chain chain(options, correlated_law(options));
    Law law = chain.law(chain.num_steps());
    for (auto n = chain.num_steps(); n > 0; --n) {
      if (chain.visited_token(n) >= 0) {
        EXPECT_LT(reversal_error(process, chain, n), 1e-6) << n;
      }
      law = reversed(process, chain, law, n);
      expect_equal(law, chain.law(n - 1));
    }
  }
}

TEST_F(InterleavedTokens, GibbsStepsHaveExactMarginalsButNotTheJointLaw) {
  for (const auto& options : small_chains()) {
    const Interleaved process(gibbs(options));
    const Chain chain(options, correlated_law(options));
    Law law = chain.law(chain.num_steps());
    for (auto n = chain.num_steps(); n > 0; --n) {
      if (chain.visited_token(n) >= 0) {
        EXPECT_GT(reversal_error(process, chain, n), 1e-3) << n;
      }
      law = reversed(process, chain, law, n);
      expect_equal(law, chain.law(n - 1));
    }
  }
}

// All the way from the prior by drawing.
State sampled(const Interleaved& process, const Chain& chain, std::int64_t count, std::uint64_t seed) {
  auto draws = draws_of(count, seed);
  State x = process.prior({{"vector", {{chain.config().num_elements, 1}, at::kFloat}}}, {}, draws);
  x["frozen"].select(-1, 1).fill_(true);
  const auto grid = process.grid(process.num_steps());
  for (auto n = process.num_steps(); n > 0; --n) {
    draws.begin(static_cast<std::uint32_t>(process.num_steps() - n + 1));
    EXPECT_EQ(process.query(x, grid.at(n)).has_value(), chain.visited_token(n) >= 0) << n;
    if (!process.query(x, grid.at(n)).has_value()) continue;
    x = process.reverse_step(x, chain.answer(process.query(x, grid.at(n)).value().input, n), grid.at(n), draws);
  }
  return x;
}

TEST_F(InterleavedTokens, SamplesFollowTheDatasLaw) {
  const auto options = config(2, 3, 3, VisitOrder::round_robin, 0.3, 0.999);  // the end is the prior but for 2e-4
  const Chain chain(options, correlated_law(options));
  for (const auto& reversal : {options, gibbs(options)}) {
    const auto found = chain.numbers(sampled(Interleaved(reversal), chain, kMany, 3));
    EXPECT_LT(chi_square_excess(found, chain.law(0)), kChance);
    EXPECT_GT(chi_square_excess(found, chain.law(1)), 100.0) << "the test could not detect a step's noise";
  }
}

// P(next | the state `here`) as reverse_log_prob() has it, for every next state that a step can reach.
Law reported(const Interleaved& process, const Chain& chain, std::int64_t here, const at::Tensor& logits, std::int64_t n) {
  const auto x = chain.states(std::vector<std::int64_t>(static_cast<std::size_t>(chain.num_states()), here));
  auto law =
      transition(process, x, {{"token", logits.expand({chain.num_states(), -1, -1})}, {"vector", x.at("vector")}}, chain.all_states(), n);
  if (process.options().order == VisitOrder::joint) return law;
  for (std::int64_t y = 0; y < chain.num_states(); ++y) {  // the density is of the visited token alone
    const auto element = chain.visited_token(n);
    if (chain.with(y, element, 0) != chain.with(here, element, 0)) law[static_cast<std::size_t>(y)] = 0.0;
  }
  return law;
}

TEST_F(InterleavedTokens, StepsDrawFromTheLawThatTheyReport) {
  constexpr std::int64_t kHere = 5, kCount = 40000;
  const auto logits = draws_of(1, 5).normals({2, 3}, at::kDouble);
  for (const auto& options : {config(2, 3, 2), gibbs(config(2, 3, 2)), config(2, 3, 2, VisitOrder::joint)}) {
    const Interleaved process(options);
    const Chain chain(options, correlated_law(options));
    const auto grid = process.grid(process.num_steps());
    for (auto n = process.num_steps(); n > 0; --n) {
      if (options.order == VisitOrder::round_robin && chain.visited_token(n) < 0) continue;
      const auto law = reported(process, chain, kHere, logits, n);
      EXPECT_NEAR(std::accumulate(law.begin(), law.end(), 0.0), 1.0, 1e-12);
      const auto x = chain.states(std::vector<std::int64_t>(kCount, kHere));
      auto draws = draws_of(kCount, 100 + static_cast<std::uint64_t>(n));
      const State prediction = {{"token", logits.expand({kCount, -1, -1})}, {"vector", x.at("vector")}};
      const auto next = process.reverse_step(x, prediction, grid.at(n), draws);
      EXPECT_LT(chi_square_excess(chain.numbers(next), law), kChance) << n;
    }
  }
}

// p(s^(n-1) = y | s^(n) = a) of the joint order, by Bayes over the chain; logits[k] = log p(clean = k | a).
void expect_joint_reversal(const Interleaved& process, const Chain& chain, std::int64_t n, double least, double most) {
  const auto x = chain.all_states();
  const auto elements = chain.config().num_elements, classes = chain.config().num_classes;
  auto logits = at::zeros({chain.num_states(), elements, classes}, at::kDouble);
  for (std::int64_t clean = 0; clean < chain.num_states(); ++clean) {
    Law delta(static_cast<std::size_t>(chain.num_states()), 0.0);
    delta[clean] = 1.0;
    const Chain from(chain.config(), delta);
    for (std::int64_t a = 0; a < chain.num_states(); ++a) {
      for (std::int64_t e = 0; e < elements; ++e) logits[a][e][chain.token(clean, e)] += chain.law(0)[clean] * from.law(n)[a];
    }
  }
  double worst = 0.0;
  for (std::int64_t y = 0; y < chain.num_states(); ++y) {
    const auto next = chain.states(std::vector<std::int64_t>(static_cast<std::size_t>(chain.num_states()), y));
    const auto back = transition(process, x, {{"token", logits.log()}, {"vector", x.at("vector")}}, next, n);
    for (std::int64_t a = 0; a < chain.num_states(); ++a) {
      worst = std::max(worst, std::abs(chain.law(n)[a] * back[a] - chain.law(n - 1)[y] * chain.forward(n, y, a)));
    }
  }
  EXPECT_LT(worst, most) << n;
  EXPECT_GE(worst, least) << n;
}

TEST_F(InterleavedTokens, JointOrderIsExactForOneTokenAndForIndependentOnes) {
  const auto one = config(1, 4, 3, VisitOrder::joint);
  const auto two = config(2, 3, 3, VisitOrder::joint);
  Law independent;
  for (const double second : {0.2, 0.7, 0.1}) {
    for (const double first : {0.5, 0.1, 0.4}) independent.push_back(first * second);
  }
  for (std::int64_t n = 1; n <= 3; ++n) {
    expect_joint_reversal(Interleaved(one), Chain(one, correlated_law(one)), n, 0.0, 1e-6);
    expect_joint_reversal(Interleaved(two), Chain(two, independent), n, 0.0, 1e-6);
    expect_joint_reversal(Interleaved(two), Chain(two, correlated_law(two)), n, 1e-3, 0.5);  // what factorising costs
  }
}

// A law by renoise() against the enumerated composition of single steps, from every state at once.
TEST_F(InterleavedTokens, RenoisingIsManyForwardSteps) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(2, 3, 3, order);
    const Interleaved process(options);
    const auto start = correlated_law(options);
    const auto last = process.num_steps();
    std::vector<std::pair<std::int64_t, std::int64_t>> ways = {{0, 1}, {0, last}, {1, 2}, {2, last}};
    if (order == VisitOrder::round_robin) ways = {{0, 1}, {0, 5}, {3, 9}, {5, 6}, {2, last}, {0, last}, {6, 7}};
    for (const auto& [from, to] : ways) {
      const Chain chain(options, start, from);
      auto draws = draws_of(kMany / 2, 40 + static_cast<std::uint64_t>(to));
      const auto noisy = process.renoise(chain.drawn(start, kMany / 2, 9), from, to, draws);
      EXPECT_LT(chi_square_excess(chain.numbers(noisy), chain.law(to)), kChance) << from << " to " << to;
    }
    const Chain chain(options, start, 1);
    auto draws = draws_of(100, 4);
    const auto x = chain.drawn(start, 100, 9);
    EXPECT_TRUE(at::equal(process.renoise(x, 1, 1, draws).at("token"), x.at("token")));
    if (order == VisitOrder::round_robin) {
      EXPECT_TRUE(at::equal(process.renoise(x, 1, 2, draws).at("token"), x.at("token")));
    }
  }
}

// The chain from x at `from` to `to`, as a joint law: forward noise keeps what the states had in common.
TEST_F(InterleavedTokens, RenoisingKeepsTheJointLawWithItsStart) {
  const auto options = config(2, 3, 3);
  const Interleaved process(options);
  for (std::int64_t state = 0; state < 9; state += 4) {
    Law delta(9, 0.0);
    delta[state] = 1.0;
    const Chain chain(options, delta, 2);
    auto draws = draws_of(50000, 60 + static_cast<std::uint64_t>(state));
    const auto noisy = process.renoise(chain.states(std::vector<std::int64_t>(50000, state)), 2, 9, draws);
    EXPECT_LT(chi_square_excess(chain.numbers(noisy), chain.law(9)), kChance);
  }
}

// P-GRAFT: states accepted at n_I, the tuned network above (exact for the chain that goes on from them), the base below.
TEST_F(InterleavedTokens, StitchedModelsSampleTheSmoothedTilt) {
  for (const auto& options : {config(2, 3, 3), config(3, 2, 2)}) {
    const Interleaved process(options);
    const auto data = correlated_law(options);
    const Chain base(options, data);
    Law weight;
    for (std::int64_t x = 0; x < base.num_states(); ++x) weight.push_back(x % 3 == 0 ? 2.0 : 0.1 + 0.2 * static_cast<double>(x % 4));
    const Chain tilted(options, product(data, weight));
    for (const std::int64_t border : {0, 3, 5, 8}) {
      // tilted.law(n)/base.law(n) is w_n up to a constant: the forward kernel does not depend on the weight.
      const auto& accepted = tilted.law(border);
      const Chain tuned(options, accepted, border);
      Law law = tuned.law(process.num_steps());
      for (auto n = process.num_steps(); n > border; --n) law = reversed(process, tuned, law, n);
      expect_equal(law, accepted);
      for (auto n = border; n > 0; --n) law = reversed(process, base, law, n);

      Law smoothed;  // E[w_t(X_t) | X_0 = x_0]
      for (std::int64_t x = 0; x < base.num_states(); ++x) {
        Law delta(data.size(), 0.0);
        delta[x] = 1.0;
        const Chain from(options, delta);
        double mean = 0.0;
        for (std::size_t y = 0; y < data.size(); ++y) mean += from.law(border)[y] * accepted[y] / base.law(border)[y];
        smoothed.push_back(mean);
      }
      expect_equal(law, product(data, smoothed));
      EXPECT_EQ(total_variation(law, product(data, weight)) < 1e-6, border == 0) << "a tilt that the border does not smooth";
      EXPECT_GT(total_variation(law, data), 1e-3);
    }
  }
}

TEST_F(InterleavedTokens, TheNetworkReceivesAllButTheVisitedToken) {
  const auto options = config(2, 3, 3);
  const Interleaved process(options);
  const auto x = Chain(options, correlated_law(options)).all_states();
  const auto grid = process.grid(12);
  for (std::int64_t n = 1; n <= 12; ++n) {
    const auto query = process.query(x, grid.at(n));
    ASSERT_EQ(query.has_value(), (n - 1) % 2 == 0) << "the vectors are given: the network is not evaluated for them";
    if (!query) continue;
    const auto& input = query->input;
    EXPECT_TRUE(input.at("visit").eq((n - 1) % 4).all().item<bool>());
    EXPECT_EQ(grid.at(n).timestep, 1000.0 * static_cast<double>(n) / 12.0);
    for (std::int64_t e = 0; e < 2; ++e) {
      const auto shown = input.at("token").select(1, e);
      const bool hidden = (n - 1) % 4 == 2 * e;
      EXPECT_TRUE(hidden ? shown.eq(3).all().item<bool>() : at::equal(shown, x.at("token").select(1, e))) << n;
    }
    EXPECT_TRUE(at::equal(input.at("vector"), x.at("vector")));
  }
  EXPECT_LT(x.at("token").max().item<std::int64_t>(), 3) << "the state itself was changed";
  const auto joint = config(2, 3, 3, VisitOrder::joint);
  const auto input = Interleaved(joint).query(x, Interleaved(joint).grid(3).at(2)).value().input;
  EXPECT_TRUE(input.at("visit").eq(-1).all().item<bool>());
  EXPECT_TRUE(at::equal(input.at("token"), x.at("token")));
}

TEST_F(InterleavedTokens, HasOneGrid) {
  const Interleaved process(config(2, 3, 3));
  EXPECT_THAT([&] { process.grid(6); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("num_inference_steps = 6"), HasSubstr("12 steps (3 rounds)"))));
  const auto grid = process.grid(12);
  for (std::int64_t n = 0; n <= 12; ++n) {
    EXPECT_EQ(grid.at(n).steps_remaining, n);
    EXPECT_DOUBLE_EQ(grid.at(n).level.sigma, static_cast<double>(n) / 12.0);
  }
  auto draws = draws_of(1, 1);
  EXPECT_THAT([&] { process.prior({{"vector", {{5, 1}, at::kFloat}}}, {}, draws); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("have 5 elements"), HasSubstr("process 2"))));
}

// Of logits with a NaN any token can be drawn, and a token cannot be NaN: the sample's vectors are.
TEST_F(InterleavedTokens, ASampleWhoseLogitsAreNotFiniteIsNotFinite) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const Interleaved process(config(2, 3, 3, order));
    const auto grid = process.grid(process.num_steps());
    const std::int64_t n = order == VisitOrder::joint ? 3 : 9;  // visits the first element's token
    auto x = Chain(config(2, 3, 3), correlated_law(config(2, 3, 3))).states({0, 4, 8});
    const State sound{{"token", at::zeros({3, 2, 3})}, {"vector", at::zeros({3, 2, 1})}};
    State broken{{"token", sound.at("token").clone()}, {"vector", sound.at("vector")}};
    broken.at("token")[1][0][2] = std::nan("");
    const auto step = [&](const State& prediction) {
      auto draws = draws_of(3, 1);
      return process.reverse_step(x, prediction, grid.at(n), draws);
    };
    const auto expected = step(sound), found = step(broken);
    EXPECT_TRUE(expected.at("vector").isfinite().all().item<bool>());
    EXPECT_TRUE(found.at("vector")[1].isnan().all().item<bool>());
    for (const std::int64_t row : {0, 2}) {
      for (const auto& [name, tensor] : expected) EXPECT_TRUE(at::equal(tensor[row], found.at(name)[row])) << name;
    }
    x.at("frozen").select(-1, 0).fill_(true);  // tokens that are given: what the network predicts of them is not used
    EXPECT_TRUE(step(broken).at("vector").isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace espalier::diffusion
