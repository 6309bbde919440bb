#pragma once

#include <cstdint>
#include <vector>

#include "runtime/diffusion/interleaved.h"
#include "tests/runtime/diffusion/support.h"

// Sets of M tokens under the interleaved process, every law enumerated by loops over states: a Chain takes nothing from the code under
// test but its configuration. A state is the number sum over e of token_e K^e.
namespace espalier::diffusion::interleaved_oracle {

using Law = std::vector<double>;  // over states

// Linear betas from `first` to `last` over the rounds.
InterleavedConfig config(std::int64_t elements, std::int64_t classes, std::int64_t rounds, VisitOrder order = VisitOrder::round_robin,
                         double first = 0.3, double last = 0.8);

// b_m and abar_m of the m-th visit, m = 1..num_rounds (abar_0 = 1), of linear betas.
double beta(const InterleavedConfig& config, std::int64_t m);
double alpha_bar(const InterleavedConfig& config, std::int64_t m);

// A law on which the tokens depend strongly on each other; positive everywhere.
Law correlated_law(const InterleavedConfig& config);
Law product(const Law& a, const Law& b);  // normalised

class Chain {
 public:
  // The forward chain of a state that has the law `start` at `from` steps.
  Chain(const InterleavedConfig& config, Law start, std::int64_t from = 0);

  const InterleavedConfig& config() const { return config_; }
  std::int64_t num_steps() const { return steps_; }
  std::int64_t num_states() const { return states_; }
  std::int64_t token(std::int64_t state, std::int64_t element) const;
  std::int64_t with(std::int64_t state, std::int64_t element, std::int64_t value) const;

  const Law& law(std::int64_t n) const { return laws_.at(static_cast<std::size_t>(n - from_)); }
  double forward(std::int64_t n, std::int64_t before, std::int64_t after) const;  // P(s^(n) = after | s^(n-1) = before)
  std::int64_t visited_token(std::int64_t n) const;                               // round robin: its element; -1: a vector
  std::int64_t visits(std::int64_t element, std::int64_t n) const;                // to its token, in the first n steps

  // h(k) = p(token = k | the others) of `element` at n steps; the state's own token of that element does not matter.
  double conditional(std::int64_t n, std::int64_t state, std::int64_t element, std::int64_t k) const;

  // States with these numbers, tokens only: one number a vector, frozen.
  State states(const std::vector<std::int64_t>& numbers) const;
  State all_states() const;
  std::vector<std::int64_t> numbers(const State& x) const;
  State drawn(const Law& law, std::int64_t count, std::uint64_t seed) const;

  // The optimal network's answer to query() at n steps, round robin: h of the visited token.
  State answer(const State& input, std::int64_t n) const;

 private:
  double kernel(std::int64_t m, bool same) const;
  InterleavedConfig config_;
  std::int64_t from_, steps_, states_;
  std::vector<Law> laws_;
};

// exp of reverse_log_prob(next | x), of each row; of one token (round robin) or of all tokens (joint).
std::vector<double> transition(const Interleaved& process, const State& x, const State& prediction, const State& next, std::int64_t n);

// The law after the process's reverse step from n, with the chain's answers; no change where a vector is visited.
Law reversed(const Interleaved& process, const Chain& answers, const Law& law, std::int64_t n);

// Pearson's statistic of the numbers' counts against the law, in standard deviations above its mean.
double chi_square_excess(const std::vector<std::int64_t>& numbers, const Law& law);

double total_variation(const Law& a, const Law& b);

Level level(const Interleaved& process, std::int64_t n);  // of a state at n steps

// What a network was evaluated on in training. Fails the test where a timestep is not the one that sampling passes to the network.
struct Asked {
  State noisy;
  std::vector<std::int64_t> steps;  // n, from the timestep
};
Asked asked(const Interleaved& process, const State& noisy, const at::Tensor& timestep);

}  // namespace espalier::diffusion::interleaved_oracle
