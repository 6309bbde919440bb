#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

bool equal(const Selection& a, const Selection& b) { return a.index == b.index && a.weight == b.weight; }

FilterInput rows_of(const FilterInput& input, const std::vector<std::size_t>& rows) {
  FilterInput out;
  out.key = input.key;
  for (const auto from : rows) {
    out.score.push_back(input.score[from]);
    out.condition.push_back(input.condition[from]);
    out.index.push_back(input.index[from]);
    if (!input.canonical_key.empty()) out.canonical_key.push_back(input.canonical_key[from]);
  }
  return out;
}

// Adds keys as a domain might give them: some are common, some rare, and a tenth of the samples are not valid.
void give_keys(FilterInput& input) {
  const random::StreamKey key{.seed = 7, .purpose = random::Purpose::evaluation};
  for (std::uint64_t row = 0; row < input.index.size(); ++row) {
    const auto place = random::shuffled_index(key, 0, input.index.size(), row);
    input.canonical_key.push_back(place % 10 == 0 ? "" : "C" + std::to_string(place % 7 < 3 ? place % 7 : place / 8));
  }
}

// Returns the same groups with uniform random scores, because the law assumes continuous scores.
FilterInput continuous(const FilterInput& input, std::uint32_t round) {
  FilterInput out = input;
  out.key.round = round;
  std::vector<std::uint64_t> samples(input.index.begin(), input.index.end());
  random::Draws draws({.seed = 5, .purpose = random::Purpose::evaluation, .round = round, .branch = 0}, samples);
  const auto scores = draws.uniforms({1});
  out.score.assign(scores.const_data_ptr<double>(), scores.const_data_ptr<double>() + scores.numel());
  return out;
}

void check_selection(const FilterInput& input, const Selection& selection) {
  EXPECT_FALSE(selection.index.empty()) << "nothing was selected of " << input.score.size() << " scores";
  expect_accepted([&] { espalier::check_selection("the filter", selection, input); });
}

void check_invalid(const Filter& filter, FilterInput input) {
  const std::vector<std::size_t> rows{0, input.score.size() / 2, input.score.size() - 1};
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double invalid[] = {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity};
  for (std::size_t i = 0; i < rows.size(); ++i) input.score[rows[i]] = invalid[i];
  check_selection(input, filter.select(input));
}

std::vector<std::int64_t> selected_of(const Selection& selection, const FilterInput& input, std::int64_t condition) {
  std::vector<std::int64_t> out;
  for (std::size_t row = 0; row < input.index.size(); ++row) {
    const bool accepted = std::binary_search(selection.index.begin(), selection.index.end(), input.index[row]);
    if (accepted && input.condition[row] == condition) out.push_back(input.index[row]);
  }
  return out;
}

void check_groups(const Filter& filter, const FilterInput& input) {
  const std::int64_t kept = input.condition.front();
  FilterInput changed = input;
  for (std::size_t row = 0; row < input.score.size(); ++row) {
    if (input.condition[row] == kept) continue;
    changed.score[row] = -input.score[row];
    if (!input.canonical_key.empty()) changed.canonical_key[row] = "another";
  }
  EXPECT_EQ(selected_of(filter.select(input), input, kept), selected_of(filter.select(changed), changed, kept))
      << "other groups' scores or keys changed what is selected of condition " << kept;
}

// Checks a filter that is offered only some of the samples, as in a chain.
void check_chain(const Filter& filter, const FilterInput& input, bool by_condition) {
  std::vector<std::size_t> some, of_one;
  const std::int64_t kept = input.condition.front();
  for (std::size_t row = 0; row < input.index.size(); ++row) {
    if (row % 3 != 1) some.push_back(row);
    if (input.condition[row] == kept) of_one.push_back(row);
  }
  {
    SCOPED_TRACE("offered two samples of three");
    const auto part = rows_of(input, some);
    check_selection(part, filter.select(part));
  }
  if (!by_condition) return;
  EXPECT_EQ(filter.select(rows_of(input, of_one)).index, selected_of(filter.select(input), input, kept))
      << "without the samples of other conditions another selection is made of condition " << kept;
}

// Checks that a selection depends on which keys are equal and not on their spelling; "" means no key.
void check_keys(const Filter& filter, const FilterInput& input) {
  auto renamed = input;
  for (auto& key : renamed.canonical_key) {
    if (!key.empty()) key = "N" + std::string(key.rbegin(), key.rend());
  }
  EXPECT_TRUE(equal(filter.select(input), filter.select(renamed))) << "the selection depends on how keys are spelt";
  auto other = input;
  for (auto& key : other.canonical_key) key = key.empty() ? "" : "one and the same";
  EXPECT_FALSE(equal(filter.select(input), filter.select(other))) << "the filter needs keys, but selects the same whatever they are";
}

double integral(const std::vector<double>& x, const std::vector<double>& y, double from, double to) {
  // Piecewise linear between points, constant outside.
  const auto value = [&](double at) {
    const auto right = static_cast<std::size_t>(std::upper_bound(x.begin(), x.end(), at) - x.begin());
    if (right == 0) return y.front();
    if (right == x.size()) return y.back();
    const double weight = (at - x[right - 1]) / (x[right] - x[right - 1]);
    return (1.0 - weight) * y[right - 1] + weight * y[right];
  };
  constexpr int kPieces = 2000;
  double sum = 0.0;
  for (int i = 0; i < kPieces; ++i) sum += value(from + (to - from) * (i + 0.5) / kPieces);
  return sum * (to - from) / kPieces;
}

// Compares the selections of many rounds of continuous scores with the law.
void check_law(const Filter& filter, const FilterInput& input) {
  constexpr int kRounds = 200, kBins = 8;
  std::vector<double> bins(kBins, 0.0);
  double total = 0.0, total_square = 0.0, offered = 0.0, accepted = 0.0, quantile_sum = 0.0;
  for (std::uint32_t round = 1; round <= kRounds; ++round) {
    const auto trial = continuous(input, round);
    const auto selection = filter.select(trial);
    offered += static_cast<double>(trial.score.size());
    accepted += static_cast<double>(selection.index.size());
    for (std::size_t i = 0; i < selection.index.size(); ++i) {
      const auto row = std::lower_bound(trial.index.begin(), trial.index.end(), selection.index[i]) - trial.index.begin();
      const double u = trial.score[static_cast<std::size_t>(row)], weight = selection.weight[i];
      bins[std::min<std::size_t>(kBins - 1, static_cast<std::size_t>(u * kBins))] += weight;
      total += weight;
      total_square += weight * weight;
      quantile_sum += weight * u;
    }
  }
  Law law;
  if (!expect_accepted([&] { law = law_of("the filter", filter, continuous(input, 1)); })) return;
  EXPECT_FALSE(law.formula.empty());
  const double sigma = 4.0 * std::sqrt(total_square) / total + 0.01;  // four standard errors, and 0.01 for the curve's discretization
  EXPECT_NEAR(law.acceptance_rate, accepted / offered, 0.02) << "the law's acceptance rate is not what is selected";
  EXPECT_NEAR(law.expected_quantile, quantile_sum / total, sigma) << "the law's E[u] is not that of what is selected";
  for (int bin = 0; bin < kBins; ++bin) {
    const double expected = integral(law.quantile, law.density, bin / double(kBins), (bin + 1) / double(kBins));
    EXPECT_NEAR(bins[static_cast<std::size_t>(bin)] / total, expected, sigma) << "the law's density in octile " << bin;
  }
  std::vector<double> terms;
  for (const auto w : law.density) terms.push_back(w > 0.0 ? w * std::log(w) : 0.0);
  const double kl = integral(law.quantile, terms, 0.0, 1.0);
  if (filter.needs_keys()) {  // keys may distinguish samples that quantiles do not
    EXPECT_GE(law.kl_nats, kl - 0.03 * (1.0 + kl)) << "the law's KL is below that of its density";
  } else {
    EXPECT_NEAR(law.kl_nats, kl, 0.03 * (1.0 + kl)) << "the law's KL is not that of its density";
  }
}

}  // namespace

void check_filter(const PluginEntry& entry, const Options& options, const FilterInput& scores) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  ASSERT_GE(scores.score.size(), 100u) << "the checks require some hundreds of scores";
  ASSERT_TRUE(std::is_sorted(scores.index.begin(), scores.index.end()));
  const auto filter = make<Filter>(entry, options);
  auto input = scores;
  if (filter->needs_keys() && input.canonical_key.empty()) give_keys(input);
  const auto selection = filter->select(input);
  check_selection(input, selection);
  EXPECT_TRUE(equal(selection, filter->select(input))) << "selecting twice gives two selections";
  check_invalid(*filter, input);
  Schema schema;
  filter->options(schema);
  const auto keyed = schema.values(OptionRole::keyed);
  const auto* group_by = keyed.find("group_by");
  const bool by_condition = group_by && *group_by == Value("condition");
  if (group_by) {
    EXPECT_EQ(filter->by_condition(), by_condition) << "by_condition() is not what the option group_by says";
  }
  if (by_condition) check_groups(*filter, input);
  check_chain(*filter, input, by_condition);
  if (filter->needs_keys()) check_keys(*filter, input);
  check_law(*filter, input);
}

}  // namespace espalier::conformance
