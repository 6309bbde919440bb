#include "tests/runtime/diffusion/interleaved_oracle.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>

namespace espalier::diffusion::interleaved_oracle {
namespace {

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t value = 1;
  for (std::int64_t i = 0; i < exponent; ++i) value *= base;
  return value;
}

at::Tensor from_numbers(const std::vector<std::int64_t>& numbers) { return at::tensor(numbers, at::kLong); }

Law normalised(Law law) {
  const double total = std::accumulate(law.begin(), law.end(), 0.0);
  for (auto& p : law) p /= total;
  return law;
}

}  // namespace

InterleavedConfig config(std::int64_t elements, std::int64_t classes, std::int64_t rounds, VisitOrder order, double first, double last) {
  InterleavedConfig config;
  config.num_elements = elements;
  config.num_classes = classes;
  config.num_rounds = rounds;
  config.order = order;
  config.beta_schedule = BetaSchedule::linear;
  config.beta_start = first;
  config.beta_end = last;
  return config;
}

double beta(const InterleavedConfig& config, std::int64_t m) {
  if (config.num_rounds == 1) return config.beta_start;
  const double share = static_cast<double>(m - 1) / static_cast<double>(config.num_rounds - 1);
  return config.beta_start + share * (config.beta_end - config.beta_start);
}

double alpha_bar(const InterleavedConfig& config, std::int64_t m) {
  double product = 1.0;
  for (std::int64_t i = 1; i <= m; ++i) product *= 1.0 - beta(config, i);
  return product;
}

Law correlated_law(const InterleavedConfig& config) {
  Law law;
  for (std::int64_t state = 0; state < power(config.num_classes, config.num_elements); ++state) {
    std::int64_t rest = state, sum = 0;
    for (std::int64_t e = 0; e < config.num_elements; ++e, rest /= config.num_classes) sum += (e + 1) * (rest % config.num_classes);
    law.push_back(sum % 3 == 0 ? 3.0 + static_cast<double>(state) : 0.05 + 0.1 * static_cast<double>(state % 2));
  }
  return normalised(law);
}

Law product(const Law& a, const Law& b) {
  Law law = a;
  for (std::size_t i = 0; i < law.size(); ++i) law[i] *= b[i];
  return normalised(law);
}

Chain::Chain(const InterleavedConfig& config, Law start, std::int64_t from)
    : config_(config),
      from_(from),
      steps_(config.num_rounds * (config.order == VisitOrder::joint ? 1 : 2 * config.num_elements)),
      states_(power(config.num_classes, config.num_elements)),
      laws_{std::move(start)} {
  for (std::int64_t n = from + 1; n <= steps_; ++n) {
    Law next(static_cast<std::size_t>(states_), 0.0);
    for (std::int64_t before = 0; before < states_; ++before) {
      for (std::int64_t after = 0; after < states_; ++after) next[after] += laws_.back()[before] * forward(n, before, after);
    }
    laws_.push_back(next);
  }
}

std::int64_t Chain::token(std::int64_t state, std::int64_t element) const {
  return state / power(config_.num_classes, element) % config_.num_classes;
}

std::int64_t Chain::with(std::int64_t state, std::int64_t element, std::int64_t value) const {
  return state + (value - token(state, element)) * power(config_.num_classes, element);
}

std::int64_t Chain::visited_token(std::int64_t n) const {
  const auto position = (n - 1) % (2 * config_.num_elements);
  return position % 2 == 0 ? position / 2 : -1;
}

std::int64_t Chain::visits(std::int64_t element, std::int64_t n) const {
  if (config_.order == VisitOrder::joint) return n;
  std::int64_t count = 0;
  for (std::int64_t step = 1; step <= n; ++step) count += visited_token(step) == element ? 1 : 0;
  return count;
}

double Chain::kernel(std::int64_t m, bool same) const {
  const double b = beta(config_, m);
  return (same ? 1.0 - b : 0.0) + b / static_cast<double>(config_.num_classes);
}

double Chain::forward(std::int64_t n, std::int64_t before, std::int64_t after) const {
  const bool joint = config_.order == VisitOrder::joint;
  double probability = 1.0;
  for (std::int64_t e = 0; e < config_.num_elements; ++e) {
    const bool same = token(before, e) == token(after, e);
    if (joint || visited_token(n) == e) {
      probability *= kernel(visits(e, n), same);
    } else if (!same) {
      return 0.0;
    }
  }
  return probability;
}

double Chain::conditional(std::int64_t n, std::int64_t state, std::int64_t element, std::int64_t k) const {
  double total = 0.0;
  for (std::int64_t other = 0; other < config_.num_classes; ++other) total += law(n)[with(state, element, other)];
  return law(n)[with(state, element, k)] / total;
}

State Chain::states(const std::vector<std::int64_t>& numbers) const {
  const auto batch = static_cast<std::int64_t>(numbers.size()), elements = config_.num_elements;
  State x;
  x["token"] = at::zeros({batch, elements}, at::kLong);
  auto rest = from_numbers(numbers);
  for (std::int64_t e = 0; e < elements; ++e) {
    x["token"].select(1, e).copy_(rest.remainder(config_.num_classes));
    rest = rest.floor_divide(config_.num_classes);
  }
  x["vector"] = at::zeros({batch, elements, 1}, at::kFloat);
  x["present"] = at::ones({batch, elements}, at::kBool);
  x["frozen"] = at::zeros({batch, elements, 2}, at::kBool);
  x["frozen"].select(-1, 1).fill_(true);
  return x;
}

State Chain::all_states() const {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(states_));
  std::iota(numbers.begin(), numbers.end(), 0);
  return states(numbers);
}

std::vector<std::int64_t> Chain::numbers(const State& x) const {
  auto sum = at::zeros({x.at("token").size(0)}, at::kLong);
  for (std::int64_t e = 0; e < config_.num_elements; ++e) sum = sum + x.at("token").select(1, e) * power(config_.num_classes, e);
  const auto* first = sum.const_data_ptr<std::int64_t>();
  return {first, first + sum.numel()};
}

State Chain::drawn(const Law& law, std::int64_t count, std::uint64_t seed) const {
  Law cumulative;
  for (const double p : law) cumulative.push_back(p + (cumulative.empty() ? 0.0 : cumulative.back()));
  const auto uniform = draws_of(count, seed, random::Purpose::data).uniforms({1});
  const auto* u = uniform.const_data_ptr<double>();
  std::vector<std::int64_t> numbers;
  for (std::int64_t b = 0; b < count; ++b) {
    const auto place = std::upper_bound(cumulative.begin(), cumulative.end(), u[b]) - cumulative.begin();
    numbers.push_back(std::min<std::int64_t>(place, states_ - 1));
  }
  return states(numbers);
}

State Chain::answer(const State& input, std::int64_t n) const {
  const auto element = visited_token(n);
  const auto batch = input.at("token").size(0);
  auto logits = at::zeros({batch, config_.num_elements, config_.num_classes}, at::kDouble);
  if (element >= 0) {
    State shown = input;
    shown["token"] = input.at("token").clone();
    shown["token"].select(1, element).fill_(0);  // hidden: any value does
    std::vector<double> rows;
    for (std::int64_t state = 0; state < states_; ++state) {
      for (std::int64_t k = 0; k < config_.num_classes; ++k) rows.push_back(std::log(conditional(n - 1, state, element, k)));
    }
    logits.select(1, element).copy_(column(rows).reshape({states_, -1}).index_select(0, from_numbers(numbers(shown))));
  }
  return {{"token", logits}, {"vector", at::zeros_like(input.at("vector"))}};
}

std::vector<double> transition(const Interleaved& process, const State& x, const State& prediction, const State& next, std::int64_t n) {
  const auto grid = process.grid(process.num_steps());
  auto mean = process.reverse_log_prob(x, prediction, next, grid.at(n)).value();
  if (process.options().order == VisitOrder::joint) mean = mean * static_cast<double>(process.options().num_elements);
  const auto probability = mean.exp().contiguous();
  const auto* first = probability.const_data_ptr<double>();
  return {first, first + probability.numel()};
}

Law reversed(const Interleaved& process, const Chain& answers, const Law& law, std::int64_t n) {
  const auto element = answers.visited_token(n);
  if (element < 0) return law;
  const auto x = answers.all_states();
  const auto prediction = answers.answer(process.query(x, process.grid(process.num_steps()).at(n)).value().input, n);
  Law before(law.size(), 0.0);
  for (std::int64_t k = 0; k < answers.config().num_classes; ++k) {
    std::vector<std::int64_t> next;
    for (std::int64_t state = 0; state < answers.num_states(); ++state) next.push_back(answers.with(state, element, k));
    const auto probability = transition(process, x, prediction, answers.states(next), n);
    for (std::size_t state = 0; state < next.size(); ++state) before[next[state]] += law[state] * probability[state];
  }
  return before;
}

double chi_square_excess(const std::vector<std::int64_t>& numbers, const Law& law) {
  std::vector<double> counts(law.size(), 0.0);
  for (const auto number : numbers) counts.at(static_cast<std::size_t>(number)) += 1.0;
  double statistic = 0.0, freedom = -1.0;
  for (std::size_t i = 0; i < law.size(); ++i) {
    const double expected = law[i] * static_cast<double>(numbers.size());
    if (expected == 0.0 && counts[i] > 0.0) return std::numeric_limits<double>::infinity();
    if (expected == 0.0) continue;
    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
    freedom += 1.0;
  }
  return (statistic - freedom) / std::sqrt(2.0 * freedom);
}

double total_variation(const Law& a, const Law& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / 2.0;
}

Level level(const Interleaved& process, std::int64_t n) { return process.grid(process.num_steps()).at(n).level; }

Asked asked(const Interleaved& process, const State& noisy, const at::Tensor& timestep) {
  Asked result{noisy, {}};
  const auto grid = process.grid(process.num_steps());
  const auto* times = timestep.const_data_ptr<float>();
  for (std::int64_t b = 0; b < timestep.size(0); ++b) {
    const auto time = times[b];
    const auto n = std::lround(static_cast<double>(time) * static_cast<double>(process.num_steps()) / 1000.0);
    EXPECT_EQ(time, static_cast<float>(grid.at(n).timestep)) << "sampling passes another time to the network";
    result.steps.push_back(n);
  }
  return result;
}

}  // namespace espalier::diffusion::interleaved_oracle
