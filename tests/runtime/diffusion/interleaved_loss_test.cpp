// Training of the interleaved process: which steps, and losses of vectors and of the joint order, sample by sample.
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>

#include "runtime/base/errors.h"
#include "tests/runtime/diffusion/interleaved_oracle.h"

namespace espalier::diffusion {
namespace {

using namespace interleaved_oracle;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class InterleavedLoss : public OneThread {};

// Any start, all parts active, elements of `size` numbers.
State start_state(std::int64_t batch, const InterleavedConfig& options, std::int64_t size, std::uint64_t seed) {
  auto draws = draws_of(batch, seed, random::Purpose::data);
  State x;
  x["token"] = draws.integers({options.num_elements}, options.num_classes);
  x["vector"] = draws.normals({options.num_elements, size}) * 0.5 + 1.0;
  x["present"] = at::ones({batch, options.num_elements}, at::kBool);
  x["frozen"] = at::zeros({batch, options.num_elements, 2}, at::kBool);
  return x;
}

State uninformed(const State& noisy, std::int64_t classes) {  // uniform tokens, and some eps that depends on the state
  const auto& vector = noisy.at("vector");
  return {{"token", at::zeros({vector.size(0), vector.size(1), classes})}, {"vector", vector * 0.3 + 0.1}};
}

// rho of element e's vector from `from` to n steps.
double share(const InterleavedConfig& options, std::int64_t element, std::int64_t from, std::int64_t n) {
  const auto visits = [&](std::int64_t steps) {
    if (options.order == VisitOrder::joint) return steps;
    std::int64_t count = 0;
    for (std::int64_t step = 0; step < steps; ++step) count += step % (2 * options.num_elements) == 2 * element + 1 ? 1 : 0;
    return count;
  };
  return alpha_bar(options, visits(n)) / alpha_bar(options, visits(from));
}

void expect_vector_losses(const InterleavedConfig& options, std::int64_t from, std::int64_t beyond) {
  constexpr std::int64_t kCount = 400;
  const Interleaved process(options);
  auto start = start_state(kCount, options, 2, 5);
  const bool joint = options.order == VisitOrder::joint;
  if (joint) start["frozen"].select(-1, 0).fill_(true);
  Asked got;
  auto draws = draws_of(kCount, 8, random::Purpose::training);
  const auto loss = process.loss(
      [&](const State& noisy, const at::Tensor& time) {
        got = asked(process, noisy, time);
        return uninformed(noisy, options.num_classes);
      },
      {start, level(process, from), level(process, beyond)}, draws);
  double noise_sum = 0.0, noise_square = 0.0, noises = 0.0;
  for (std::int64_t b = 0; b < kCount; ++b) {
    const auto n = got.steps[static_cast<std::size_t>(b)];
    EXPECT_GT(n, std::max(from, beyond));
    const auto visit = got.noisy.at("visit")[b].item<std::int64_t>();
    EXPECT_EQ(visit, joint ? -1 : (n - 1) % (2 * options.num_elements));
    double expected = visit % 2 == 0 ? std::log(static_cast<double>(options.num_classes)) : 0.0;
    for (std::int64_t e = 0; e < options.num_elements; ++e) {
      const auto clean = start.at("vector")[b][e].to(at::kDouble), noisy = got.noisy.at("vector")[b][e].to(at::kDouble);
      const double rho = share(options, e, from, n);
      if (rho == 1.0) {
        EXPECT_TRUE(at::equal(clean, noisy));
        continue;
      }
      const auto noise = (noisy - std::sqrt(rho) * clean) / std::sqrt(1.0 - rho);
      noise_sum += noise.sum().item<double>(), noise_square += noise.square().sum().item<double>(), noises += 2.0;
      if (!joint && visit != 2 * e + 1) continue;
      const double weight = std::sqrt((1.0 - rho) / (1.0 - share(options, e, 0, n)));
      const double error = ((noisy * 0.3 + 0.1) * weight - noise).square().mean().item<double>();
      expected += error / (joint ? static_cast<double>(options.num_elements) : 1.0);
    }
    EXPECT_NEAR(loss[b].item<double>(), expected, 2e-4 * (1.0 + expected)) << "sample " << b << " at " << n;
  }
  EXPECT_NEAR(noise_sum / noises, 0.0, 4.0 / std::sqrt(noises));
  EXPECT_NEAR(noise_square / noises, 1.0, 4.0 * std::sqrt(2.0 / noises));
}

TEST_F(InterleavedLoss, OfVectorsIsTheWeightedErrorOfTheNoiseThatWentIn) {
  const auto round_robin = config(3, 4, 5, VisitOrder::round_robin, 0.1, 0.7);
  for (const auto& [from, beyond] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0}, {8, 8}, {8, 15}, {0, 9}, {29, 0}}) {
    expect_vector_losses(round_robin, from, beyond);
  }
  for (const auto& [from, beyond] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0}, {2, 2}, {0, 3}, {4, 0}}) {
    expect_vector_losses(config(3, 4, 5, VisitOrder::joint, 0.1, 0.7), from, beyond);
  }
}

// The slope and intercept, of networks eps = slope s' + intercept, that minimise the loss: one Newton step, exact for a quadratic.
std::array<double, 2> minimiser(const Interleaved& process, const TrainingBatch& batch) {
  const auto gradient_at = [&](double slope, double intercept) {
    auto parameters = column({slope, intercept}).requires_grad_(true);
    auto draws = draws_of(batch.start.at("vector").size(0), 23, random::Purpose::training);
    const auto network = [&](const State& noisy, const at::Tensor&) {
      return State{{"token", at::zeros({noisy.at("token").size(0), 1, 2})}, {"vector", noisy.at("vector") * parameters[0] + parameters[1]}};
    };
    process.loss(network, batch, draws).mean().backward();
    return std::array<double, 2>{parameters.grad()[0].item<double>(), parameters.grad()[1].item<double>()};
  };
  const auto g = gradient_at(0, 0), h1 = gradient_at(1, 0), h2 = gradient_at(0, 1);
  const double a = h1[0] - g[0], b = h2[0] - g[0], c = h2[1] - g[1];
  return {(-g[0] * c + g[1] * b) / (a * c - b * b), (-g[1] * a + g[0] * b) / (a * c - b * b)};
}

// States N(mean, variance) at `from`: the optimum at the last step is Tweedie's eps = -sqrt(1 - abar) d log p(s')/ds'.
TEST_F(InterleavedLoss, OfVectorsHasTheClosedFormMinimiser) {
  constexpr double kMean = 0.8, kVariance = 0.15;
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(1, 2, 3, order, 0.1, 0.4);
    const Interleaved process(options);
    State start = start_state(400, options, 500, 3);
    start["vector"] = (start["vector"] - 1.0) * (2.0 * std::sqrt(kVariance)) + kMean;
    start["vector"] = start["vector"].to(at::kDouble);
    start["frozen"].select(-1, 0).fill_(true);
    const auto last = process.num_steps();
    for (const auto from : {std::int64_t{0}, last / 3, 2 * last / 3}) {
      const double rho = share(options, 0, from, last), abar = share(options, 0, 0, last);
      const auto [slope, intercept] = minimiser(process, {start, level(process, from), level(process, last - 1)});
      const double gain = std::sqrt(1.0 - abar) / (rho * kVariance + 1.0 - rho);
      EXPECT_NEAR(slope, gain, 0.015) << from;
      EXPECT_NEAR(intercept, -gain * std::sqrt(rho) * kMean, 0.015) << from;
    }
  }
}

// num_rounds KL(q(y | a, s) || sum over x of softmax(logits)(x) q(y | a, x)), all by Bayes over single steps of one token.
double joint_kl(const InterleavedConfig& options, const at::Tensor& logits, std::int64_t s, std::int64_t a, std::int64_t from,
                std::int64_t n) {
  auto one = options;
  one.num_elements = 1;
  const auto step_back = [&](std::int64_t start, std::int64_t begin) {
    Law delta(static_cast<std::size_t>(options.num_classes), 0.0);
    delta[start] = 1.0;
    const Chain chain(one, delta, begin);
    Law law = chain.law(n - 1);
    for (std::int64_t y = 0; y < options.num_classes; ++y) law[y] *= chain.forward(n, y, a);
    return product(law, Law(law.size(), 1.0));
  };
  const auto clean = at::softmax(logits, -1);
  Law model(static_cast<std::size_t>(options.num_classes), 0.0);
  for (std::int64_t x = 0; x < options.num_classes; ++x) {
    const auto law = step_back(x, 0);
    for (std::size_t y = 0; y < model.size(); ++y) model[y] += clean[x].item<double>() * law[y];
  }
  const auto exact = step_back(s, from);
  double kl = 0.0;
  for (std::size_t y = 0; y < model.size(); ++y) kl += exact[y] > 0.0 ? exact[y] * std::log(exact[y] / model[y]) : 0.0;
  return kl * static_cast<double>(options.num_rounds);
}

TEST_F(InterleavedLoss, OfJointTokensIsTheDivergenceOfTheStepBack) {
  const auto options = config(2, 3, 4, VisitOrder::joint, 0.2, 0.6);
  const Interleaved process(options);
  for (const std::int64_t from : {0, 2}) {
    auto start = start_state(60, options, 1, 12);
    start["frozen"].select(-1, 1).fill_(true);
    start["frozen"][0][0][0].fill_(true);  // one sample is judged by one token
    const auto logits = draws_of(60, 4).normals({2, 3}, at::kDouble);
    Asked got;
    auto draws = draws_of(60, 6, random::Purpose::training);
    const auto loss = process.loss(
        [&](const State& noisy, const at::Tensor& time) {
          got = asked(process, noisy, time);
          return State{{"token", logits}, {"vector", noisy.at("vector")}};
        },
        {start, level(process, from), level(process, from)}, draws);
    for (std::int64_t b = 0; b < 60; ++b) {
      double expected = 0.0;
      for (std::int64_t e = b == 0 ? 1 : 0; e < 2; ++e) {
        const auto s = start.at("token")[b][e].item<std::int64_t>(), a = got.noisy.at("token")[b][e].item<std::int64_t>();
        expected += joint_kl(options, logits[b][e], s, a, from, got.steps[static_cast<std::size_t>(b)]) / (b == 0 ? 1.0 : 2.0);
      }
      EXPECT_NEAR(loss[b].item<double>(), expected, 1e-5) << b;
    }
  }
}

// Which steps training takes for a sample with these parts, of (token 0, vector 0, token 1, vector 1), and how often.
std::map<std::int64_t, std::int64_t> steps_taken(const Interleaved& process, const std::set<std::int64_t>& active, std::int64_t beyond) {
  constexpr std::int64_t kCount = 6000;
  auto start = start_state(kCount, process.options(), 1, 2);
  for (std::int64_t part = 0; part < 4; ++part) start["frozen"].select(1, part / 2).select(1, part % 2).fill_(!active.contains(part));
  std::map<std::int64_t, std::int64_t> taken;
  auto draws = draws_of(kCount, 77, random::Purpose::training);
  process.loss(
      [&](const State& noisy, const at::Tensor& time) {
        for (const auto n : asked(process, noisy, time).steps) ++taken[n];
        return uninformed(noisy, 2);
      },
      {start, {}, level(process, beyond)}, draws);
  return taken;
}

TEST_F(InterleavedLoss, TakesTheStepsThatDoSomethingUniformly) {
  const Interleaved process(config(2, 2, 3));  // 12 steps
  const auto expect_uniform = [&](const std::set<std::int64_t>& active, std::int64_t beyond, const std::set<std::int64_t>& wanted) {
    const auto taken = steps_taken(process, active, beyond);
    std::set<std::int64_t> found;
    const double mean = 6000.0 / static_cast<double>(wanted.size());
    for (const auto& [n, count] : taken) {
      found.insert(n);
      EXPECT_NEAR(static_cast<double>(count), mean, 4.0 * std::sqrt(mean)) << n;
    }
    EXPECT_EQ(found, wanted);
  };
  expect_uniform({0, 1, 2, 3}, 0, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  expect_uniform({0, 1, 2, 3}, 7, {8, 9, 10, 11, 12});
  expect_uniform({1}, 0, {2, 6, 10});
  expect_uniform({1}, 2, {6, 10});
  expect_uniform({0, 3}, 5, {8, 9, 12});
  expect_uniform({2}, 10, {11});
}

TEST_F(InterleavedLoss, IsZeroWhereNothingIsLeftToVisit) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(2, 3, 3, order);
    const Interleaved process(options);
    for (const auto beyond : {std::int64_t{0}, process.num_steps() - 1}) {
      auto start = start_state(6, options, 2, 2);
      start["present"][0].fill_(false);
      start["frozen"][1].fill_(true);
      start["present"][2][1].fill_(false), start["frozen"][2][0].fill_(true);
      start["frozen"].select(1, 1).select(1, 1).slice(0, 3).fill_(true);  // the part that the last step visits, of the others
      auto logits = at::zeros({6, 2, 3}).requires_grad_(true), eps = at::zeros({6, 2, 2}).requires_grad_(true);
      at::Tensor time;
      auto draws = draws_of(6, 4, random::Purpose::training);
      const auto loss = process.loss(
          [&](const State&, const at::Tensor& timestep) {
            time = timestep;
            return State{{"token", logits.clone()}, {"vector", eps.clone()}};
          },
          {start, level(process, beyond), level(process, beyond)}, draws);
      EXPECT_TRUE(loss.slice(0, 0, 3).eq(0.0).all().item<bool>()) << loss;
      EXPECT_TRUE(at::isfinite(loss).all().item<bool>()) << loss;
      EXPECT_TRUE(time.gt(0.0).logical_and(time.le(1000.0)).all().item<bool>()) << time;
      loss.sum().backward();
      for (const auto& gradient : {logits.grad(), eps.grad()}) {
        EXPECT_TRUE(at::isfinite(gradient).all().item<bool>());
        EXPECT_TRUE(gradient.slice(0, 0, 3).eq(0.0).all().item<bool>());
      }
    }
  }
}

TEST_F(InterleavedLoss, ShowsFrozenPartsAsTheyAreAndAbsentOnesAsNothing) {
  for (const auto order : {VisitOrder::round_robin, VisitOrder::joint}) {
    const auto options = config(3, 4, 3, order);
    const Interleaved process(options);
    auto start = start_state(200, options, 2, 2);
    start["frozen"].select(1, 0).select(1, 0).fill_(true);
    start["frozen"].select(1, 1).select(1, 1).fill_(true);
    start["present"].select(1, 2).fill_(false);
    start["token"].select(1, 2).zero_(), start["vector"].select(1, 2).zero_();
    auto draws = draws_of(200, 4, random::Purpose::training);
    process.loss(
        [&](const State& noisy, const at::Tensor&) {
          EXPECT_TRUE(at::equal(noisy.at("token").select(1, 0), start["token"].select(1, 0)));
          EXPECT_TRUE(at::equal(noisy.at("vector").select(1, 1), start["vector"].select(1, 1)));
          EXPECT_TRUE(noisy.at("token").select(1, 2).eq(0).all().item<bool>());
          EXPECT_TRUE(noisy.at("vector").select(1, 2).eq(0.0).all().item<bool>());
          EXPECT_FALSE(at::equal(noisy.at("token").select(1, 1), start["token"].select(1, 1)));
          return uninformed(noisy, 4);
        },
        {start, {}, {}}, draws);
  }
}

TEST_F(InterleavedLoss, RefusesLevelsThatAreNotOfThisProcess) {
  const auto options = config(2, 3, 3);
  const Interleaved process(options);
  const auto start = start_state(2, options, 1, 2);
  const auto loss = [&](Level reached, Level noisier_than) {
    return [&, reached, noisier_than] {
      auto draws = draws_of(2, 4, random::Purpose::training);
      process.loss([&](const State& noisy, const at::Tensor&) { return uninformed(noisy, 3); }, {start, reached, noisier_than}, draws);
    };
  };
  const auto foreign = [](const char* level) { return ThrowsMessage<StageError>(AllOf(HasSubstr(level), HasSubstr("of 12 steps"))); };
  EXPECT_THAT(loss({0.8, 0.6}, {}), foreign("alpha = 0.8, sigma = 0.6"));  // variance preserving
  EXPECT_THAT(loss({0.7, 0.3}, {}), foreign("alpha = 0.7, sigma = 0.3"));  // a flow's, between two steps
  EXPECT_THAT(loss({}, {0.7, 0.3}), foreign("alpha = 0.7, sigma = 0.3"));
  EXPECT_THAT(loss({1.5, -0.5}, {}), foreign("alpha = 1.5, sigma = -0.5"));
  EXPECT_THAT(loss({}, level(process, 12)), ThrowsMessage<StageError>(HasSubstr("is noisier than 12 of 12")));
  EXPECT_THAT(loss(level(process, 12), {}), ThrowsMessage<StageError>(HasSubstr("take a smaller intermediate_step")));
  EXPECT_NO_THROW(loss(level(process, 11), {})());
}

}  // namespace
}  // namespace espalier::diffusion
