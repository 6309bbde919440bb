#include "plugins/shared/chem_io/smiles_size.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/test_molecules.h"

namespace espalier::chem {
namespace {

// What smiles_size() gives of a text must be what RDKit gives. True where it gives something.
bool agrees(const std::string& smiles) {
  const auto size = read_size(smiles);
  if (!size) return false;
  const Graph graph = parse_smiles(smiles);
  EXPECT_EQ(graph.reason, "") << smiles;
  EXPECT_EQ(graph.foreign_element, "") << smiles;
  EXPECT_EQ(graph.fragments, 1) << smiles;
  EXPECT_EQ(size->atoms, graph.atoms) << smiles;
  EXPECT_EQ(size->heavy_atoms, graph.heavy_atoms) << smiles;
  return true;
}

TEST(SmilesSize, IsThatOfTheMolecule) {
  for (const char* smiles :
       {"C", "O", "[H][H]", "[H]C#N", "C([H])([H])O[H]", "CC(C)(C)O", "C1CC1", "C12C3C4C1C5C2C3C45", "C=1CCC=1", "C=1CCC1", "C1CCC=1",
        "C1=CC=CC=C1", "N1C=CC=C1", "FC(F)(F)C#N", "C(C(C(O)=O)=O)=O", "C1CC1C1CC1", "C0CC0", "C(C)", "C-C"}) {
    EXPECT_TRUE(agrees(smiles)) << smiles;
  }
  EXPECT_EQ(read_size("CC(=O)N([H])C")->heavy_atoms, 5);
  EXPECT_EQ(read_size("CC(=O)N([H])C")->atoms, 12);
}

TEST(SmilesSize, IsUnknownOfWhatIsNotPlain) {
  for (const char* smiles :
       {"c1ccccc1", "[NH4+]", "[2H]C", "[C@H](F)(O)N", "F/C=C/F", "CCl", "[CH3]", "C.C", "C%10CC%10", "C$C", "*", "C:C", "[H]", "[H+]"}) {
    EXPECT_FALSE(read_size(smiles)) << smiles;
  }
  EXPECT_TRUE(read_size(std::string(1000, 'C')));
  EXPECT_FALSE(read_size(std::string(1001, 'C')));
}

TEST(SmilesSize, IsUnknownOfWhatIsWrong) {
  for (const char* smiles : {"",        " ",        "C(",           "C)",      "C()",  "(C)",   "((C))",       "C((C)C)",  "C=",
                             "=C",      "C==C",     "C(C=)C",       "C(=)C",   "C1CC", "C11",   "C1C1",        "C12CC12",  "C=1CC-1",
                             "C(1)CC1", "C(C)1CC1", "CC(C)(C)(C)C", "O=C=O=C", "F=C",  "FCF=C", "N(C)(C)(C)C", "CN(=O)=O", "[H]=C",
                             "C[H]C",   "C C",      "1CC1",         "C[H",     "#"}) {
    EXPECT_FALSE(read_size(smiles)) << smiles;
  }
}

// Texts cut, joined and changed at random: whatever smiles_size() gives of one, RDKit gives too.
TEST(SmilesSize, IsRdkitsOfAnyText) {
  const std::vector<std::string> parts = {"C", "C", "C", "N", "O", "F",  "[H]", "(", ")", "1",
                                          "2", "1", "=", "#", "-", "C(", "C1",  "c", ".", "%"};
  std::mt19937 random(4);
  int said = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string smiles;
    for (std::size_t length = 1 + random() % 11; length > 0; --length) smiles += parts[random() % parts.size()];
    said += agrees(smiles) ? 1 : 0;
  }
  EXPECT_GT(said, 2000);
}

TEST(SmilesSize, IsKnownOfNearlyAllOfQm9) {
  const auto list = testing::qm9(10000);
  if (list.empty()) GTEST_SKIP() << "ESPALIER_DATA with qm9_smiles is not set";
  std::size_t said = 0;
  for (const std::string& smiles : list) said += agrees(smiles) ? 1 : 0;
  EXPECT_GT(said, list.size() * 98 / 100);
}

}  // namespace
}  // namespace espalier::chem
