#include "plugins/metric/molecule_quality/quality.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "plugins/metric/molecule_quality/intervals.h"
#include "plugins/shared/chem_scores/similarity.h"

namespace espalier::molecule_quality {
namespace {

TEST(Quality, CountsWhatItSays) {
  const std::vector<Molecule> molecules = {
      {"CCO", 9, 9, true}, {"CCO", 9, 8, false}, {"", 5, 4, false}, {"C", 5, 5, true}, {"O", 3, 3, true}};
  const auto counts = count(molecules, {"C", "N"});
  EXPECT_EQ(counts.molecules, 5);
  EXPECT_EQ(counts.atoms, 31);
  EXPECT_EQ(counts.stable_atoms, 29);
  EXPECT_EQ(counts.stable_molecules, 3);
  EXPECT_EQ(counts.valid, 4);
  EXPECT_EQ(counts.distinct, 3);
  EXPECT_EQ(counts.novel, 2);
  EXPECT_EQ(count({}, {}).distinct, 0);
}

TEST(Quality, DiversityFallsWithCopies) {
  const auto of = [](std::vector<std::string> smiles, std::int64_t limit = 100) {
    std::vector<Molecule> molecules;
    for (auto& text : smiles) molecules.push_back({std::move(text), 1, 1, true});
    return diversity(molecules, limit);
  };
  const double pair = 1.0 - chem::tanimoto(chem::morgan_fingerprint("CCO"), chem::morgan_fingerprint("CCN"));
  EXPECT_NEAR(of({"CCO", "", "CCN"}), pair, 1e-15);
  EXPECT_NEAR(of({"CCO", "CCO", "CCN"}), 2.0 * pair / 3.0, 1e-15);
  EXPECT_EQ(of({"CCO", "CCO"}), 0.0);
  EXPECT_EQ(of({"CCO", ""}), 0.0);
  EXPECT_NEAR(of({"CCO", "CCN", "c1ccccc1"}, 2), pair, 1e-15);
}

// R's binom.confint(c(0, 7, 20), 20, methods = "wilson").
TEST(Intervals, WilsonIsThePublishedOne) {
  EXPECT_NEAR(wilson(7, 20).low, 0.1811918, 1e-7);
  EXPECT_NEAR(wilson(7, 20).high, 0.5671457, 1e-7);
  EXPECT_NEAR(wilson(0, 20).high, 0.1611252, 1e-7);
  EXPECT_EQ(wilson(0, 20).low, 0.0);
  EXPECT_NEAR(wilson(20, 20).low, 0.8388748, 1e-7);
  EXPECT_EQ(wilson(20, 20).high, 1.0);
  EXPECT_EQ(wilson(0, 0).low, 0.0);
  EXPECT_EQ(wilson(0, 0).high, 1.0);
}

TEST(Intervals, OfClustersOfOneAreWilsonsWithTheSampleVariance) {
  std::vector<double> successes(50, 1.0), trials(50, 1.0);
  for (int i = 0; i < 20; ++i) successes[static_cast<std::size_t>(i)] = 0.0;
  const auto found = wilson_of_clusters(successes, trials), expected = wilson(30.0 * 49 / 50, 49.0);
  EXPECT_NEAR(found.low, expected.low, 1e-12);
  EXPECT_NEAR(found.high, expected.high, 1e-12);
  const std::vector<double> all(10, 18.0);
  EXPECT_NEAR(wilson_of_clusters(all, all).low, wilson(10, 10).low, 1e-12);  // ten molecules, not 180 atoms
  EXPECT_EQ(wilson_of_clusters({}, {}).high, 1.0);
}

// Molecules differ in how stable their atoms are: an interval over atoms would be too narrow.
TEST(Intervals, OfClustersHoldTheTrueShareAsOftenAsTheySay) {
  std::mt19937 engine(7);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  constexpr int kStudies = 1000;
  int held = 0, held_over_atoms = 0;
  for (int study = 0; study < kStudies; ++study) {
    std::vector<double> successes, trials;
    for (int molecule = 0; molecule < 100; ++molecule) {
      const int atoms = 8 + static_cast<int>(engine() % 20);
      const double p = uniform(engine) < 0.3 ? 0.5 : 1.0;  // mean 0.85
      double stable = 0.0;
      for (int atom = 0; atom < atoms; ++atom) stable += uniform(engine) < p ? 1.0 : 0.0;
      successes.push_back(stable);
      trials.push_back(atoms);
    }
    const auto clusters = wilson_of_clusters(successes, trials);
    double stable = 0.0, atoms = 0.0;
    for (std::size_t i = 0; i < trials.size(); ++i) {
      stable += successes[i];
      atoms += trials[i];
    }
    const auto naive = wilson(stable, atoms);
    held += clusters.low <= 0.85 && 0.85 <= clusters.high ? 1 : 0;
    held_over_atoms += naive.low <= 0.85 && 0.85 <= naive.high ? 1 : 0;
  }
  RecordProperty("held", held);
  RecordProperty("held_over_atoms", held_over_atoms);
  EXPECT_GE(held, 925);  // 95 % less four standard errors
  EXPECT_LE(held, 978);
  EXPECT_LT(held_over_atoms, 850);
}

}  // namespace
}  // namespace espalier::molecule_quality
