#include "plugins/metric/molecule_quality/quality.h"

#include <gmock/gmock.h>

#include "plugins/shared/chem_scores/similarity.h"

namespace espalier::molecule_quality {
namespace {

TEST(Quality, CountsByTheStatedDefinitions) {
  const std::vector<Molecule> molecules = {
      {"CCO", 9, 9, true, true}, {"CCO", 9, 8, false}, {"", 5, 4, false, true}, {"C", 5, 5, true, true}, {"O", 3, 3, true}};
  const auto counts = count(molecules, {"C", "N"});
  EXPECT_EQ(counts.molecules, 5);
  EXPECT_EQ(counts.atoms, 31);
  EXPECT_EQ(counts.stable_atoms, 29);
  EXPECT_EQ(counts.stable_molecules, 3);
  EXPECT_EQ(counts.valid, 4);
  EXPECT_EQ(counts.connected, 3);
  EXPECT_EQ(counts.connected_and_valid, 2);
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

}  // namespace
}  // namespace espalier::molecule_quality
