#include "runtime/selection/tied_law.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "runtime/selection/incomplete_beta.h"
#include "tests/runtime/selection/exact_law.h"

namespace espalier::selection {
namespace {

using testing::HasSubstr;

AcceptedDensity best(std::int64_t k, std::int64_t of) {
  return {[=](double u) { return incomplete_beta(u, static_cast<double>(of - k), static_cast<double>(k)); }, of};
}

void expect_within(const LawNumbers& found, const LawNumbers& expected, const LawNumbers& bias, const std::string& where) {
  EXPECT_NEAR(found.kl, expected.kl, bias.kl) << where;
  EXPECT_NEAR(found.quantile, expected.quantile, bias.quantile) << where;
  EXPECT_NEAR(found.square, expected.square, bias.square) << where;
}

// Laws that no fit was made on.
TEST(TieFit, IsBiasedByNoMoreThanItStates) {
  for (const auto& fit : TieFit::all()) {
    const auto curve = best(fit.k, fit.of);
    const auto laws = some_laws();
    for (std::size_t i = 0; i < laws.size(); ++i) {
      const auto found = mean_estimate(laws[i], fit.samples, [&](const auto& multiplicity) { return fit.estimate(multiplicity); });
      expect_within(found, true_numbers(curve, laws[i]), 1.25 * fit.worst_bias,
                    fmt::format("{} of {} from {}, law {}", fit.k, fit.of, fit.samples, i));
    }
  }
}

// A group's own scores as the base law: what the fit is for.
TEST(TieFit, IsFarLessBiasedThanTheGroupsOwnScores) {
  const auto curve = best(1, 4);
  const std::vector<Part> fair = {{0.5, true}, {0.5, true}};
  const auto own = mean_estimate(fair, 4, [&](const std::vector<std::int64_t>& multiplicity) {
    std::vector<Part> law;
    for (const auto count : multiplicity) law.push_back({static_cast<double>(count) / 4.0, count > 1});
    return true_numbers(curve, law);
  });
  const auto fitted = mean_estimate(fair, 4, [&](const auto& multiplicity) { return TiedLaw(curve, 4).estimate(multiplicity); });
  const auto truth = true_numbers(curve, fair);
  EXPECT_NEAR(truth.kl, 15.0 / 16.0 * std::log(15.0 / 8.0) + 1.0 / 16.0 * std::log(1.0 / 8.0), 1e-9);
  EXPECT_NEAR(truth.quantile, 0.71875, 1e-9);
  EXPECT_NEAR(fitted.kl, truth.kl, 0.0006);
  EXPECT_NEAR(fitted.quantile, truth.quantile, 0.0025);
  EXPECT_NEAR(own.kl, 0.348, 0.001);
  EXPECT_NEAR(own.quantile, 0.670, 0.001);
}

TEST(TieFit, IsExactWithoutTiesAndOfOneScore) {
  for (const auto& fit : TieFit::all()) {
    if (fit.samples == 2) continue;
    const auto curve = best(fit.k, fit.of);
    const LawNumbers rounding{1e-5, 1e-5, 1e-5};
    const auto all = static_cast<std::size_t>(fit.samples);
    expect_within(fit.estimate(std::vector<std::int64_t>(all, 1)), true_numbers(curve, {{1.0, false}}), rounding, "distinct");
    expect_within(fit.estimate({fit.samples}), {0.0, 0.5, 1.0}, rounding, "one score");
  }
}

// From pairs nothing better is possible than to be as wrong about a continuous law as about one value.
TEST(TieFit, OfPairsStatesItsBias) {
  const auto& pairs = TieFit::all().front();
  ASSERT_EQ(pairs.samples, 2);
  EXPECT_NEAR(pairs.worst_bias.kl, 0.027, 0.0005);
  EXPECT_NEAR(pairs.estimate({1, 1}).kl - pairs.estimate({2}).kl, std::log(2.0) - 0.5, 1e-4);
}

// All subsets, taken one by one.
TEST(TieFit, OfMoreSamplesIsTheMeanOverSubsets) {
  const std::vector<std::int64_t> multiplicity = {2, 1, 1, 3, 1};  // 8 samples
  const std::vector<std::int64_t> score = {0, 0, 1, 2, 3, 3, 3, 4};
  for (const auto& fit : TieFit::all()) {
    if (fit.samples > 6) continue;
    LawNumbers sum;
    double count = 0.0;
    for (unsigned subset = 0; subset < 256; ++subset) {
      if (std::popcount(subset) != fit.samples) continue;
      std::vector<std::int64_t> taken(5);
      for (std::size_t i = 0; i < 8; ++i) taken[static_cast<std::size_t>(score[i])] += subset >> i & 1U;
      std::erase(taken, 0);
      sum += fit.estimate(taken);
      count += 1.0;
    }
    expect_within(fit.estimate(multiplicity), 1.0 / count * sum, {1e-12, 1e-12, 1e-12}, fmt::format("from {}", fit.samples));
  }
}

TEST(BestOfN, IsBiasedByNoMoreThanItStates) {
  for (const std::int64_t n : {9, 13, 30, 100, 500}) {
    const auto curve = best(1, n);
    for (const double expected : {0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 0.3 * static_cast<double>(n), 0.9 * static_cast<double>(n)}) {
      const double p = expected / static_cast<double>(n);
      if (p >= 1.0) continue;
      const std::vector<Part> law = {{1.0 - p, true}, {p, true}};
      const auto found =
          mean_estimate(law, n, [&](const auto& multiplicity) { return LawNumbers{best_of_n_kl(n, multiplicity.back()), 0.0, 0.0}; });
      EXPECT_NEAR(found.kl, true_numbers(curve, law).kl, 1.25 * best_of_n_kl_worst_bias()) << p << " of " << n;
    }
  }
  EXPECT_LT(best_of_n_kl_worst_bias(), 5e-4);
}

// What has no fit: the bias is within the stated one, and a fraction of that of the group's own scores.
TEST(TiedLaw, RemovesMostOfTheBiasByAJackknife) {
  for (const auto& [k, n] : {std::pair{2, 12}, {4, 16}, {10, 20}}) {
    const auto curve = best(k, n);
    const TiedLaw law(curve, n);
    EXPECT_THAT(law.method(), HasSubstr("jackknife"));
    const auto stated = law.worst_bias();
    double largest = 0.0, of_own = 0.0;
    for (const auto& parts : some_laws()) {
      if (parts.size() > 2) continue;
      const auto truth = true_numbers(curve, parts);
      const auto found = mean_estimate(parts, n, [&](const auto& multiplicity) { return law.estimate(multiplicity); });
      const auto own = mean_estimate(parts, n, [&](const std::vector<std::int64_t>& multiplicity) {
        std::vector<Part> scores;
        for (const auto count : multiplicity) scores.push_back({static_cast<double>(count) / n, count > 1});
        return true_numbers(curve, scores);
      });
      EXPECT_NEAR(found.kl, truth.kl, 1.1 * stated.kl) << k << " of " << n;
      EXPECT_NEAR(found.quantile, truth.quantile, 1.1 * stated.quantile) << k << " of " << n;
      largest = std::max(largest, std::abs(found.kl - truth.kl));
      of_own = std::max(of_own, std::abs(own.kl - truth.kl));
    }
    EXPECT_LT(largest, 0.3 * of_own);
    EXPECT_GT(largest, 0.3 * stated.kl) << "the stated bias is far too large";
  }
}

// Each sample left out, one by one.
TEST(TiedLaw, LeavesOutEachSample) {
  const auto curve = best(3, 10);
  const std::vector<std::int64_t> multiplicity = {1, 1, 3, 2, 1, 2};
  const auto own = [&](const std::vector<std::int64_t>& counts) {
    double size = 0.0;
    for (const auto count : counts) size += static_cast<double>(count);
    std::vector<Part> law;
    for (const auto count : counts) law.push_back({static_cast<double>(count) / size, count > 1});
    return true_numbers(curve, law);
  };
  auto expected = 10.0 * own(multiplicity);
  for (std::size_t i = 0; i < multiplicity.size(); ++i) {
    auto left = multiplicity;
    if (--left[i] == 0) left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    expected += -0.9 * static_cast<double>(multiplicity[i]) * own(left);
  }
  expect_within(TiedLaw(curve, 10).estimate(multiplicity), expected, {1e-9, 1e-9, 1e-9}, "");
}

}  // namespace
}  // namespace espalier::selection
