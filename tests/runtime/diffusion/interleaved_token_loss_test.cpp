// Training on tokens one at a time, against enumerated chains: where the loss is least, and what it is there.
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/runtime/diffusion/interleaved_oracle.h"

namespace espalier::diffusion {
namespace {

using namespace interleaved_oracle;

// A network that is a table [n, state with the hidden token 0, k] of logits of the visited token.
class Table {
 public:
  // The exact answers for a chain where a token is visited.
  Table(const Interleaved& process, const Chain& chain, std::int64_t beyond) : process_(process), chain_(chain) {
    std::vector<double> rows;
    for (std::int64_t n = 0; n <= chain.num_steps(); ++n) {
      const auto element = n > beyond ? chain.visited_token(n) : -1;
      for (std::int64_t state = 0; state < chain.num_states(); ++state) {
        for (std::int64_t k = 0; k < classes(); ++k)
          rows.push_back(element < 0 ? 0.0 : std::log(chain.conditional(n - 1, state, element, k)));
      }
    }
    logits_ = column(rows).reshape({-1, classes()}).requires_grad_(true);
  }

  State operator()(const State& noisy, const at::Tensor& timestep) const {
    const auto& shown = noisy.at("token");
    EXPECT_TRUE(shown.eq(classes()).sum(1).eq(1).all().item<bool>()) << "one token is hidden";
    EXPECT_TRUE(noisy.at("visit").eq(std::get<1>(shown.max(1)) * 2).all().item<bool>()) << "the one that is visited";
    State known = noisy;
    known["token"] = shown.remainder(classes());
    auto row = at::tensor(chain_.numbers(known), at::kLong);
    const auto steps = asked(process_, noisy, timestep).steps;
    const auto step = at::tensor(steps, at::kLong);
    EXPECT_TRUE(at::equal(noisy.at("visit"), (step - 1).remainder(2 * elements())));
    row = row + step * chain_.num_states();
    return {{"token", logits_.index_select(0, row).unsqueeze(1).expand({-1, elements(), -1})},
            {"vector", at::zeros_like(noisy.at("vector"))}};
  }

  at::Tensor& logits() { return logits_; }

 private:
  std::int64_t classes() const { return chain_.config().num_classes; }
  std::int64_t elements() const { return chain_.config().num_elements; }
  const Interleaved& process_;
  const Chain& chain_;
  at::Tensor logits_;
};

struct Training {
  double loss = 0.0, loss_error = 0.0, expected_loss = 0.0;
  double worst = 0.0;   // of the gradient's entries, in standard deviations
  double excess = 0.0;  // of their chi-square about 0, in its standard deviations: the variances follow from the chain's own law
};

// The loss of a tabular network that is exact for `answers`, on states drawn from `chain` at `from` steps; trained beyond `beyond`.
Training train(const Interleaved& process, const Chain& chain, const Chain& answers, std::int64_t from, std::int64_t beyond) {
  constexpr std::int64_t kCount = 40000;
  Table table(process, answers, beyond);
  auto draws = draws_of(kCount, 31, random::Purpose::training);
  const auto start = chain.drawn(chain.law(from), kCount, 17);
  const auto loss = process.loss([&](const State& x, const at::Tensor& t) { return table(x, t); },
                                 {start, level(process, from), level(process, beyond)}, draws);
  loss.mean().backward();
  Training training;
  training.loss = loss.mean().item<double>();
  training.loss_error = loss.std().item<double>() / std::sqrt(static_cast<double>(kCount));
  double steps = 0.0, statistic = 0.0, freedom = 0.0;
  for (auto n = beyond + 1; n <= chain.num_steps(); ++n) steps += chain.visited_token(n) >= 0 ? 1.0 : 0.0;
  for (auto n = beyond + 1; n <= chain.num_steps(); ++n) {
    const auto element = chain.visited_token(n);
    if (element < 0) continue;
    for (std::int64_t state = 0; state < chain.num_states(); ++state) {
      const auto own = chain.token(state, element);
      training.expected_loss -= chain.law(n - 1)[state] / steps * std::log(answers.conditional(n - 1, state, element, own));
      if (own != 0) continue;
      double others = 0.0;  // P(n, the tokens shown)
      for (std::int64_t k = 0; k < chain.config().num_classes; ++k) others += chain.law(n - 1)[chain.with(state, element, k)] / steps;
      for (std::int64_t k = 0; k < chain.config().num_classes; ++k) {
        const double h = answers.conditional(n - 1, state, element, k);
        const double gradient = table.logits().grad()[n * chain.num_states() + state][k].item<double>();
        const double z = gradient / std::sqrt(others * h * (1.0 - h) / static_cast<double>(kCount));
        training.worst = std::max(training.worst, std::abs(z));
        statistic += z * z * (1.0 - h);  // Pearson's, of one row
      }
      freedom += static_cast<double>(chain.config().num_classes - 1);
    }
  }
  training.excess = (statistic - freedom) / std::sqrt(2.0 * freedom);
  return training;
}

void expect_optimal(const Training& training) {
  EXPECT_NEAR(training.loss, training.expected_loss, 4.0 * training.loss_error) << "the conditional entropy";
  EXPECT_LT(training.worst, 4.5);
  EXPECT_NEAR(training.excess, 0.0, 4.0);
}

class InterleavedTokenLoss : public OneThread {};

TEST_F(InterleavedTokenLoss, TheExactConditionalsAreOptimalForTokens) {
  for (const auto& options : {config(2, 3, 3), config(3, 2, 2)}) {
    const Interleaved process(options);
    const Chain chain(options, correlated_law(options));
    expect_optimal(train(process, chain, chain, 0, 0));
  }
}

TEST_F(InterleavedTokenLoss, OnwardsFromAcceptedStatesTheTiltedConditionalsAreOptimal) {
  const auto options = config(2, 3, 3);
  const Interleaved process(options);
  const auto data = correlated_law(options);
  const Law weight = {4.0, 0.1, 0.5, 1.0, 0.2, 3.0, 0.1, 2.0, 0.3};
  const Chain base(options, data);
  for (const std::int64_t border : {3, 4, 6}) {  // mid-round, and after whole rounds
    const Chain accepted(options, product(base.law(border), weight), border);
    expect_optimal(train(process, accepted, accepted, border, border));
    EXPECT_GT(train(process, accepted, base, border, border).excess, 20.0) << "the base's conditionals pass as well";
  }
}

TEST_F(InterleavedTokenLoss, CleanSamplesAreNoisedOnlyToNoisierSteps) {
  const auto options = config(2, 3, 3);
  const Interleaved process(options);
  const Chain chain(options, correlated_law(options));
  for (const std::int64_t border : {3, 4, 6}) expect_optimal(train(process, chain, chain, 0, border));
}

}  // namespace
}  // namespace espalier::diffusion
