// Deduplicating before and after another filter, on a finite law, against the exact expectations.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

constexpr std::int64_t kM = 8, kGroups = 40000;
constexpr double kAccepted = 0.3;
constexpr std::array<double, 5> kCumulative = {0.5, 0.8, 0.9, 0.98, 1.0};

double probability(std::size_t thing) { return kCumulative[thing] - (thing == 0 ? 0.0 : kCumulative[thing - 1]); }

// Draws for each row; a branch for each use.
std::vector<double> uniforms(const std::vector<std::int64_t>& index, std::uint32_t branch) {
  random::Draws draws({9, random::Purpose::evaluation, 0, branch}, {index.begin(), index.end()});
  draws.begin(0);
  const auto values = draws.uniforms({});
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

FilterInput finite_law() {
  FilterInput input;
  for (std::int64_t i = 0; i < kM * kGroups; ++i) {
    input.index.push_back(i);
    input.condition.push_back(i / kM);
  }
  input.score.assign(input.index.size(), 0.0);
  for (const double u : uniforms(input.index, 1)) {
    std::size_t thing = 0;
    while (u > kCumulative[thing]) ++thing;
    input.canonical_key.push_back(std::string(1, static_cast<char>('a' + thing)));
  }
  input.key = {4, random::Purpose::filter};
  return input;
}

FilterInput only(const FilterInput& input, const std::vector<std::int64_t>& accepted) {
  FilterInput part;
  part.key = input.key;
  for (const auto index : accepted) {
    const auto row = static_cast<std::size_t>(std::lower_bound(input.index.begin(), input.index.end(), index) - input.index.begin());
    part.index.push_back(index);
    part.condition.push_back(input.condition[row]);
    part.score.push_back(input.score[row]);
    part.canonical_key.push_back(input.canonical_key[row]);
  }
  return part;
}

FilterInput accepted_with_probability(const FilterInput& input) {
  std::vector<std::int64_t> accepted;
  const auto draws = uniforms(input.index, 2);
  for (std::size_t i = 0; i < draws.size(); ++i) {
    if (draws[i] < kAccepted) accepted.push_back(input.index[i]);
  }
  return only(input, accepted);
}

FilterInput deduplicated(const FilterInput& input) {
  return only(input, make<Filter>(plugin("filter.deduplicate"), {})->select(input).index);
}

std::array<double, 5> count(const FilterInput& input) {
  std::array<double, 5> found{};
  for (const auto& key : input.canonical_key) found[static_cast<std::size_t>(key.front() - 'a')] += 1.0;
  return found;
}

// Each group keeps at most one copy, independently of the others: a binomial count.
double deviation(double found, double share) { return (found - kGroups * share) / std::sqrt(kGroups * share * (1.0 - share)); }

TEST(Order, DeduplicatingFirstLeavesTheExpectedCopies) {
  const auto found = count(accepted_with_probability(deduplicated(finite_law())));
  double other = 0.0;
  for (std::size_t thing = 0; thing < found.size(); ++thing) {
    const double p = probability(thing);
    EXPECT_LT(std::abs(deviation(found[thing], kAccepted * (1.0 - std::pow(1.0 - p, kM)))), 4.0) << "thing " << thing;
    other = std::max(other, std::abs(deviation(found[thing], 1.0 - std::pow(1.0 - p * kAccepted, kM))));
  }
  EXPECT_GT(other, 20.0) << "the test cannot tell the orders apart";
}

TEST(Order, AcceptingFirstLeavesTheExpectedCopies) {
  const auto found = count(deduplicated(accepted_with_probability(finite_law())));
  double other = 0.0;
  for (std::size_t thing = 0; thing < found.size(); ++thing) {
    const double p = probability(thing);
    EXPECT_LT(std::abs(deviation(found[thing], 1.0 - std::pow(1.0 - p * kAccepted, kM))), 4.0) << "thing " << thing;
    other = std::max(other, std::abs(deviation(found[thing], kAccepted * (1.0 - std::pow(1.0 - p, kM)))));
  }
  EXPECT_GT(other, 20.0) << "the test cannot tell the orders apart";
}

// The copies of x that are kept, of those that there were: (1 - (1-p)^M)/(M p).
TEST(Order, AcceptanceOfAThingIsItsClosedForm) {
  const auto input = finite_law();
  const auto copies = count(input), kept = count(deduplicated(input));
  double rate = 0.0;
  for (std::size_t thing = 0; thing < kept.size(); ++thing) {
    const double p = probability(thing), expected = (1.0 - std::pow(1.0 - p, kM)) / (kM * p);
    EXPECT_NEAR(kept[thing] / copies[thing], expected, 0.02 * expected) << "thing " << thing;
    rate += p * expected;
  }
  const auto law = law_of("filter.deduplicate", *make<Filter>(plugin("filter.deduplicate"), {}), input);
  EXPECT_NEAR(law.acceptance_rate, rate, 0.002);
}

}  // namespace
}  // namespace espalier::conformance
