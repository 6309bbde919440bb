#include "plugins/shared/chem/graph.h"

#include <gmock/gmock.h>

#include <limits>
#include <set>
#include <thread>

#include "plugins/shared/chem/test_atoms.h"

namespace espalier::chem {
namespace {

using ::testing::HasSubstr;

TEST(Graph, OfReferenceGeometriesIsQm9s) {
  const auto molecules = testing::qm9_first20();
  if (molecules.empty()) GTEST_SKIP() << "ESPALIER_DATA names no folder with qm9_3d_mini";
  // The first twenty of QM9's list, as RDKit writes them.
  const std::vector<std::string> expected = {"C",    "N",    "O",   "C#C", "C#N", "C=O",   "CC",    "CO",      "C#CC",    "CC#N",
                                             "CC=O", "NC=O", "CCC", "CCO", "COC", "C1CC1", "C1CO1", "CC(C)=O", "CC(N)=O", "NC(N)=O"};
  std::vector<std::string> found;
  for (const Atoms& atoms : molecules) found.push_back(read_graph(atoms).smiles);
  EXPECT_EQ(found, expected);
}

TEST(Graph, CountsWhatAMoleculeHas) {
  const Graph methane = read_graph(testing::methane());
  EXPECT_TRUE(methane.valid());
  EXPECT_EQ(methane.smiles, "C");
  EXPECT_EQ(methane.fragments, 1);
  EXPECT_EQ(methane.atoms, 5);
  EXPECT_EQ(methane.heavy_atoms, 1);
  EXPECT_NE(methane.molecule, nullptr);
}

// RDKit completes a carbon with an implicit hydrogen: valid, though not stable.
TEST(Graph, CompletesAMissingHydrogen) { EXPECT_EQ(read_graph(testing::methane(3)).smiles, "C"); }

TEST(Graph, NamesTheLargestFragmentOfAValidWhole) {
  const Graph two = read_graph(testing::beside(testing::water(), testing::methane(), 5.0));
  EXPECT_EQ(two.smiles, "C");
  EXPECT_EQ(two.fragments, 2);
  EXPECT_EQ(two.atoms, 8);
  const Graph equal = read_graph(testing::beside(testing::water(), Atoms{{7, 1, 1}, testing::water().position}, 5.0));
  EXPECT_EQ(equal.smiles, "O");  // the first of equals; the other, NH2, lacks one hydrogen
}

TEST(Graph, IsInvalidAsAWhole) {
  Atoms crowded = testing::methane();
  crowded.atomic_number.push_back(1);
  crowded.position.push_back({0.0, 0.0, 1.05});
  const Graph graph = read_graph(testing::beside(crowded, testing::water(), 6.0));
  EXPECT_FALSE(graph.valid());
  EXPECT_EQ(graph.smiles, "");
  EXPECT_EQ(graph.fragments, 2);
  EXPECT_EQ(graph.molecule, nullptr);
  EXPECT_THAT(graph.reason, HasSubstr("valence"));
}

TEST(Graph, OfNoMoleculeHasAReason) {
  EXPECT_EQ(read_graph(Atoms{}).reason, "no atoms");
  EXPECT_THAT(read_graph(Atoms{{17}, {{0, 0, 0}}}).reason, HasSubstr("17"));
  EXPECT_THAT(read_graph(Atoms{{6}, {{0, std::numeric_limits<double>::quiet_NaN(), 0}}}).reason, HasSubstr("nan"));
  EXPECT_THAT(read_graph(Atoms{{6}, {}}).reason, HasSubstr("0 positions for 1 atoms"));
}

TEST(Graph, OfHydrogenAloneIsWritten) {
  EXPECT_EQ(read_graph(Atoms{{1, 1}, {{0, 0, 0}, {0, 0, 0.74}}}).smiles, "[H][H]");
  EXPECT_TRUE(read_graph(Atoms{{1}, {{0, 0, 0}}}).valid());
}

TEST(Smiles, BecomeCanonicalWithoutStereochemistry) {
  EXPECT_EQ(parse_smiles("C(O)C").smiles, "CCO");
  EXPECT_EQ(parse_smiles("C1=CC=CC=C1").smiles, "c1ccccc1");
  EXPECT_EQ(parse_smiles("[H]C([H])([H])O[H]").smiles, "CO");
  EXPECT_EQ(parse_smiles("F[C@H](O)C").smiles, parse_smiles("F[C@@H](O)C").smiles);
  EXPECT_EQ(parse_smiles("F/C=C/F").smiles, parse_smiles("F/C=C\\F").smiles);
  EXPECT_EQ(parse_smiles("O.CCO").smiles, "CCO");
  EXPECT_EQ(parse_smiles("O.CCO").fragments, 2);
  EXPECT_EQ(parse_smiles("CCO").atoms, 9);
  EXPECT_EQ(parse_smiles("CCO").heavy_atoms, 3);
  EXPECT_EQ(parse_smiles("CCCl").foreign_element, "Cl");
}

TEST(Smiles, ThatAreNoneHaveAReasonAndNoNoise) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  for (const char* text : {"", "C(", "C1CC", "not a molecule", "C==C", "\xff\xfe", "[C", "C$%", "C1CC1C1"}) {
    const Graph graph = parse_smiles(text);
    EXPECT_FALSE(graph.valid()) << text;
    EXPECT_EQ(graph.smiles, "") << text;
  }
  EXPECT_THAT(parse_smiles("C(C)(C)(C)(C)C").reason, HasSubstr("valence"));
  EXPECT_THAT(parse_smiles("c1cccc1").reason, HasSubstr("kekulize"));
  EXPECT_THAT(parse_smiles("C(").reason, HasSubstr("no SMILES"));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST(Graph, IsReadFromManyThreads) {
  std::vector<std::string> found(8);
  {
    std::vector<std::jthread> threads;
    for (std::string& mine : found) {
      threads.emplace_back([&mine] {
        for (int i = 0; i < 50; ++i) {
          mine += read_graph(testing::methane()).smiles + parse_smiles("C1=CC=CC=C1").smiles;
          mine += parse_smiles("C(").reason + parse_smiles("c1cccc1").reason;
        }
      });
    }
  }
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), 1U);
}

}  // namespace
}  // namespace espalier::chem
