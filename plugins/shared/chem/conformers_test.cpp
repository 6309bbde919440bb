#include "plugins/shared/chem/conformers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/test_molecules.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::string> kSmall = {"C", "CCO", "C=O", "CC#N", "c1cc[nH]c1", "FC(F)F", "CC(N)=O", "C1CC1", "NC=O", "OC1CC1"};

TEST(Conformers, HaveTheMoleculeTheyWereMadeFrom) {
  for (const std::string& smiles : kSmall) EXPECT_EQ(read_graph(make_conformer(smiles, 1)).smiles, smiles);
}

TEST(Conformers, AreFunctionsOfTheMoleculeAndTheSeed) {
  const Atoms one = make_conformer("CCO", 5);
  EXPECT_EQ(make_conformer("CCO", 5).position, one.position);
  EXPECT_NE(make_conformer("CCO", 6).position, one.position);
}

TEST(Conformers, ThatCannotBeMadeHaveAReason) {
  const std::vector<std::pair<std::string, std::string>> reasons = {{"CCCl", "'CCCl': element 'Cl'"},
                                                                    {"C(", "no SMILES"},
                                                                    {"O.O", "in 2 pieces"},
                                                                    {"c1cccc1", "kekulize"},
                                                                    {"[O]", "MMFF94 has no parameters"}};
  for (const auto& [smiles, reason] : reasons) {
    EXPECT_THAT([&] { make_conformer(smiles, 0); }, ThrowsMessage<DataError>(HasSubstr(reason)));
  }
}

// The same calls in RDKit's Python, and the seed's folding written anew.
constexpr const char* kScript = R"(
import sys
from rdkit import Chem
from rdkit.Chem import AllChem
M = 2**64 - 1
def fold(s):
    s = (s + 0x9E3779B97F4A7C15) & M
    s = ((s ^ (s >> 30)) * 0xBF58476D1CE4E5B9) & M
    s = ((s ^ (s >> 27)) * 0x94D049BB133111EB) & M
    return (s ^ (s >> 31)) % 0x7FFFFFFF + 1
for i, line in enumerate(sys.stdin):
    mol = Chem.AddHs(Chem.MolFromSmiles(line.strip()))
    parameters = AllChem.ETKDGv3()
    parameters.randomSeed = fold(i)
    assert AllChem.EmbedMolecule(mol, parameters) == 0
    assert AllChem.MMFFOptimizeMolecule(mol, maxIters=2000) == 0
    print(*[repr(float(x)) for p in mol.GetConformer().GetPositions() for x in p])
)";

TEST(Conformers, AreThoseOfRdkitsPython) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const std::vector<std::string>& list = kSmall;
  const auto expected = testing::RdkitPython().numbers(kScript, list);
  ASSERT_EQ(expected.size(), list.size());
  for (std::size_t m = 0; m < list.size(); ++m) {
    const Atoms atoms = make_conformer(list[m], m);
    ASSERT_EQ(expected[m].size(), 3 * atoms.position.size()) << list[m];
    for (std::size_t i = 0; i < expected[m].size(); ++i) EXPECT_NEAR(atoms.position[i / 3][i % 3], expected[m][i], 1e-6) << list[m];
  }
}

}  // namespace
}  // namespace espalier::chem
