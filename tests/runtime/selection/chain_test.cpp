#include "runtime/selection/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"

namespace espalier::selection {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> draws_of(const FilterInput& input) {
  random::Draws draws(input.key, {input.index.begin(), input.index.end()});
  draws.begin(0);
  const auto values = draws.uniforms({});
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

// Filters of an acceptance that can be written down.
class Simple {
 public:
  virtual ~Simple() = default;
  virtual bool by_condition() const { return true; }
  virtual Selection select(const FilterInput& input) const {
    Selection selection;
    for (const auto row : rows(input)) selection.index.push_back(input.index[row]);
    std::sort(selection.index.begin(), selection.index.end());
    selection.weight.assign(selection.index.size(), weight_);
    return selection;
  }
  double weight_ = 1.0;

 protected:
  virtual std::vector<std::size_t> rows(const FilterInput& input) const = 0;
};

// Accepts with a probability.
class Chance final : public Simple {
 public:
  explicit Chance(double probability) : probability_(probability) {}
  std::vector<std::size_t> rows(const FilterInput& input) const override {
    std::vector<std::size_t> rows;
    const auto draws = draws_of(input);
    for (std::size_t i = 0; i < draws.size(); ++i) {
      if (draws[i] < probability_ && std::isfinite(input.score[i])) rows.push_back(i);
    }
    return rows;
  }

 private:
  double probability_;
};

// The best of each condition, or of all.
class Best final : public Simple {
 public:
  explicit Best(bool by_condition = true) : by_condition_(by_condition) {}
  bool by_condition() const override { return by_condition_; }
  std::vector<std::size_t> rows(const FilterInput& input) const override {
    const auto draws = draws_of(input);
    std::map<std::int64_t, std::size_t> best;
    for (std::size_t i = 0; i < draws.size(); ++i) {
      if (!std::isfinite(input.score[i])) continue;
      auto& now = best.emplace(by_condition_ ? input.condition[i] : 0, i).first->second;
      if (std::pair(input.score[i], draws[i]) > std::pair(input.score[now], draws[now])) now = i;
    }
    if (best.empty()) throw StageError("nothing to choose from");
    std::vector<std::size_t> rows;
    for (const auto& [group, row] : best) rows.push_back(row);
    return rows;
  }

 private:
  bool by_condition_;
};

// The first of each key in each condition, or of all.
class Distinct final : public Simple {
 public:
  explicit Distinct(bool by_condition = true) : by_condition_(by_condition) {}
  bool by_condition() const override { return by_condition_; }
  std::vector<std::size_t> rows(const FilterInput& input) const override {
    std::vector<std::size_t> rows;
    std::set<std::pair<std::int64_t, std::string>> seen;
    for (std::size_t i = 0; i < input.index.size(); ++i) {
      if (!input.canonical_key[i].empty() && seen.emplace(by_condition_ ? input.condition[i] : 0, input.canonical_key[i]).second) {
        rows.push_back(i);
      }
    }
    return rows;
  }

 private:
  bool by_condition_;
};

// Groups of `group_size`, all scores different.
FilterInput groups(std::int64_t count, std::int64_t group_size) {
  FilterInput input;
  for (std::int64_t i = 0; i < count; ++i) {
    input.index.push_back(i);
    input.condition.push_back(i % (count / group_size));
    input.score.push_back(static_cast<double>((i * 7919) % count) / static_cast<double>(count));
  }
  input.key = random::streams::ties(3, 0);
  return input;
}

Link link(const Simple& filter, const FilterInput& whole, std::size_t place) {
  Link made{"filter.example" + std::to_string(place), [&filter](const FilterInput& among) { return filter.select(among); },
            filter.by_condition(), whole};
  made.whole.key = random::streams::ties(3, static_cast<std::uint32_t>(place));
  return made;
}

// The mean of the density over [from, to], by its stretches' middles.
double mass_above(const Law& law, double u) {
  double mass = 0.0, edge = 0.0;
  for (std::size_t i = 0; i < law.quantile.size(); ++i) {
    const double width = 2.0 * (law.quantile[i] - edge);
    mass += std::clamp(edge + width - u, 0.0, width) * law.density[i];
    edge += width;
  }
  return mass;
}

TEST(Chain, StreamsDifferByPlaceAndTheFirstIsThatOfAFilterAlone) {
  const auto first = random::streams::ties(5, 0), second = random::streams::ties(5, 1);
  EXPECT_EQ(first.purpose, random::Purpose::filter);
  EXPECT_EQ(first.branch, 0U);
  EXPECT_EQ(first.round, 0U);
  EXPECT_NE(second.branch, first.branch);
}

TEST(Chain, OffersWhatWasAcceptedBeforeAndMultipliesWeights) {
  Best best;
  best.weight_ = 3.0;
  const auto whole = groups(12, 4);
  const Selection before{{0, 1, 2, 4, 5}, {1.0, 2.0, 0.5, 1.0, 1.0}};  // of conditions 0, 1, 2, 1, 2
  EXPECT_THAT(offered(whole, before).condition, ElementsAre(0, 1, 2, 1, 2));
  const auto selection = accept(link(best, whole, 1), before);
  EXPECT_THAT(selection.index, ElementsAre(0, 1, 2));  // the best of each that was offered
  EXPECT_THAT(selection.weight, ElementsAre(3.0, 6.0, 1.5));
}

// All accepted, then the best of 4: the estimate is the closed form of best of n.
TEST(ChainLaw, OfOneFilterThatMattersIsItsClosedForm) {
  const Chance all(1.0);
  const Best best;
  const auto whole = groups(160, 4);
  const auto law = chain_law({link(all, whole, 0), link(best, whole, 1)});
  EXPECT_NEAR(law.acceptance_rate, 0.25, 1e-12);
  EXPECT_NEAR(law.kl_nats, std::log(4.0) - 0.75, 0.01);
  EXPECT_NEAR(law.expected_quantile, 0.8, 0.003);
  EXPECT_NEAR(mass_above(law, 0.5), 1.0 - std::pow(0.5, 4), 0.005);
  EXPECT_THAT(law.formula, HasSubstr("filter.example0, then filter.example1: estimated by redrawing 1639 times"));
}

// Accepted with probability a, then the best of those: a sample at u is accepted with probability a (1 - a (1-u))^(M-1).
TEST(ChainLaw, DependsOnTheOrderOfFilters) {
  constexpr double kA = 0.4;
  const Chance chance(kA);
  const Best best;
  const auto whole = groups(160, 4);
  const auto law = chain_law({link(chance, whole, 0), link(best, whole, 1)});
  const double rate = (1.0 - std::pow(1.0 - kA, 4)) / 4.0;
  EXPECT_NEAR(law.acceptance_rate, rate, 0.002);
  EXPECT_NEAR(mass_above(law, 0.5), (1.0 - std::pow(1.0 - 0.5 * kA, 4)) / (4.0 * rate), 0.006);
  const auto reversed = chain_law({link(best, whole, 0), link(chance, whole, 1)});
  EXPECT_NEAR(reversed.acceptance_rate, kA / 4.0, 0.002);
  EXPECT_NEAR(reversed.kl_nats, std::log(4.0) - 0.75, 0.015);
  EXPECT_GT(reversed.kl_nats, law.kl_nats + 0.2);
}

TEST(ChainLaw, TiedScoresHaveOneDensity) {
  const Chance all(1.0);
  const Best best;
  auto whole = groups(400, 4);
  for (std::size_t i = 0; i < whole.score.size(); ++i) whole.score[i] = i < 200 ? 0.0 : 1.0;  // two of each condition's four
  const auto law = chain_law({link(all, whole, 0), link(best, whole, 1)});
  const double high = 1.0 - std::pow(0.5, 4);  // the best of 4 is a 1
  EXPECT_NEAR(law.kl_nats, high * std::log(2.0 * high) + (1.0 - high) * std::log(2.0 * (1.0 - high)), 0.01);
  EXPECT_NEAR(mass_above(law, 0.5), high, 0.005);
  EXPECT_NEAR(mass_above(law, 0.75), 0.5 * high, 0.008);
}

// Half of the conditions have four different scores, half have one: as the law of one filter, the KL is the mean of the groups'.
TEST(ChainLaw, AveragesTheKlOfGroups) {
  const Chance all(1.0);
  const Best best;
  for (const std::int64_t count : {160, 16000}) {
    auto whole = groups(count, 4);
    for (std::size_t i = 0; i < whole.score.size(); ++i) whole.score[i] = whole.condition[i] % 2 == 0 ? 0.5 : whole.score[i];
    const auto law = chain_law({link(all, whole, 0), link(best, whole, 1)});
    EXPECT_NEAR(law.kl_nats, 0.5 * (std::log(4.0) - 0.75), 0.02) << count;
    EXPECT_NEAR(law.expected_quantile, 0.5 * (0.5 + 0.8), 0.003) << count;
  }
}

TEST(ChainLaw, TakesQuantilesInTheGroupOfTheLastFilter) {
  const Chance all(1.0);
  const Best best(/*by_condition=*/false);
  const auto whole = groups(64, 4);
  const auto law = chain_law({link(all, whole, 0), link(best, whole, 1)});
  EXPECT_NEAR(law.acceptance_rate, 1.0 / 64.0, 1e-12);
  EXPECT_NEAR(law.kl_nats, std::log(64.0) - 63.0 / 64.0, 0.25);  // groups are redrawn by condition: near the best of 64, not at it
  EXPECT_GT(law.expected_quantile, 0.97);
}

// Each condition: three samples of one key and two that nothing equals. A redrawn group has the shared key with probability 1 - (2/5)^5,
// and 2 others on average.
TEST(ChainLaw, DrawsSharedKeysAgainAndOthersAfresh) {
  const Distinct distinct;
  const Chance chance(0.5);
  auto whole = groups(100, 5);
  for (std::size_t i = 0; i < whole.index.size(); ++i) whole.canonical_key.push_back(i < 60 ? "shared" : "alone " + std::to_string(i));
  const auto bare = groups(100, 5);
  const auto law = chain_law({link(distinct, whole, 0), link(chance, bare, 1)});
  const double shared = 1.0 - std::pow(0.4, 5), kept = shared + 2.0;
  EXPECT_NEAR(law.acceptance_rate, 0.5 * kept / 5.0, 0.003);  // three standard errors of 2^18 draws
  const double q = shared / kept;
  EXPECT_NEAR(law.kl_nats, q * std::log(q / 0.6) + (1.0 - q) * std::log((1.0 - q) / 0.4), 0.01);
}

// One sample of each of 20 conditions has the key of all the others': of them a redraw accepts one, of the rest all.
TEST(ChainLaw, KeysSharedAcrossConditionsAreCopiesWhereAFilterComparesAcrossThem) {
  const Distinct distinct(/*by_condition=*/false);
  const Chance chance(0.5);
  auto whole = groups(100, 5);
  for (std::size_t i = 0; i < whole.index.size(); ++i) whole.canonical_key.push_back(i < 20 ? "shared" : "alone " + std::to_string(i));
  const auto bare = groups(100, 5);
  EXPECT_NEAR(chain_law({link(distinct, whole, 0), link(chance, bare, 1)}).acceptance_rate, 0.5 * (80.0 + 1.0) / 100.0, 0.002);
}

TEST(ChainLaw, LeavesOutWhatIsNotInTheBase) {
  const Chance all(1.0);
  const Best best;
  auto first = groups(80, 4), second = first;
  second.score[3] = kNan;                                         // no part of the base law
  for (std::size_t i = 0; i < 80; i += 2) first.score[i] = kNan;  // rejected by the first filter
  const auto law = chain_law({link(all, first, 0), link(all, second, 1)});
  EXPECT_NEAR(law.acceptance_rate, 39.0 / 79.0, 0.005);
}

TEST(ChainLaw, ReportsRedrawsOnWhichAFilterThrows) {
  const Chance rare(0.3);
  const Best best;
  const auto whole = groups(4, 4);
  class Picky final : public Simple {
    std::vector<std::size_t> rows(const FilterInput& input) const override {
      if (input.index.size() < 2) throw StageError("too few");
      return {0};
    }
  } picky;
  EXPECT_THAT(chain_law({link(rare, whole, 0), link(picky, whole, 1)}).formula,
              HasSubstr("redraws on which a filter gives up are left out"));
  const Chance never(0.0);
  EXPECT_THAT([&] { chain_law({link(never, whole, 0), link(best, whole, 1)}); }, ThrowsMessage<StageError>(HasSubstr("accepted none")));
}

// A score that is 1 with probability 0.3, of which a chain keeps the 4 best of 16: without the jackknife the KL is 0.703 on average, since
// a condition's 16 scores stand for its law.
TEST(ChainLaw, IsCorrectedByAJackknifeFromSixteenSamplesACondition) {
  class Best4 final : public Simple {
    std::vector<std::size_t> rows(const FilterInput& input) const override {
      const auto draws = draws_of(input);
      std::map<std::int64_t, std::vector<std::size_t>> groups;
      for (std::size_t i = 0; i < draws.size(); ++i) groups[input.condition[i]].push_back(i);
      std::vector<std::size_t> best;
      for (auto& [group, rows] : groups) {
        std::sort(rows.begin(), rows.end(),
                  [&](std::size_t a, std::size_t b) { return std::pair(input.score[a], draws[a]) > std::pair(input.score[b], draws[b]); });
        best.insert(best.end(), rows.begin(), rows.begin() + 4);
      }
      return best;
    }
  } best;
  const Chance all(1.0);
  auto whole = groups(16 * 250, 16);
  random::Draws draws({.seed = 5, .purpose = random::Purpose::evaluation}, {whole.index.begin(), whole.index.end()});
  draws.begin(0);
  const auto uniforms = draws.uniforms({});  // [N]
  for (std::size_t i = 0; i < whole.score.size(); ++i) whole.score[i] = uniforms.const_data_ptr<double>()[i] < 0.3 ? 1.0 : 0.0;
  const auto law = chain_law({link(all, whole, 0), link(best, whole, 1)});
  EXPECT_NEAR(law.kl_nats, 0.814, 0.02 + 0.04);  // the jackknife's own bias, and three standard errors
  EXPECT_NEAR(law.expected_quantile, 0.803, 0.004 + 0.011);
  EXPECT_THAT(law.formula, HasSubstr("corrected by a delete-one jackknife of 131 conditions"));
  EXPECT_LT(law.kl_interval.low, 0.814);
  EXPECT_GT(law.kl_interval.high, 0.79);
}

TEST(ChainLaw, OfFewerSamplesNamesItsBias) {
  const Chance all(1.0);
  const Best best, of_all(/*by_condition=*/false);
  const auto few = groups(160, 4), enough = groups(160, 16);
  EXPECT_THAT(chain_law({link(all, few, 0), link(best, few, 1)}).formula,
              HasSubstr("KL and E[u] are biased, since a group's few scores stand for its law: a jackknife corrects them where all filters "
                        "choose by condition, of 16 to 128 samples each"));
  EXPECT_THAT(chain_law({link(all, enough, 0), link(of_all, enough, 1)}).formula, HasSubstr("are biased"));
  EXPECT_THAT(chain_law({link(all, enough, 0), link(best, enough, 1)}).formula, HasSubstr("jackknife of 10 conditions"));
}

// Scores that all differ are a continuous law already: the jackknife changes nothing that its redraws' chance does not.
TEST(ChainLaw, OfScoresThatDifferNeedsNoCorrection) {
  const Chance all(1.0);
  const Best best;
  const auto whole = groups(16 * 100, 16);
  const auto law = chain_law({link(all, whole, 0), link(best, whole, 1)});
  EXPECT_NEAR(law.kl_nats, std::log(16.0) - 15.0 / 16.0, 0.05);
  EXPECT_NEAR(law.effective_sample_size / 1600.0, 31.0 / 256.0, 0.01);  // w = 16 u^15
}

}  // namespace
}  // namespace espalier::selection
