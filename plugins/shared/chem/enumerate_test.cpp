#include "plugins/shared/chem/enumerate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/test_molecules.h"

namespace espalier::chem {
namespace {

// Every matrix of bond orders over every choice of atoms, judged by RDKit's Python: another way to the same molecules.
constexpr const char* kAll = R"(
import itertools, sys
from rdkit import Chem, RDLogger
RDLogger.DisableLog('rdApp.*')
unlikely = [Chem.MolFromSmarts(line.strip()) for line in sys.stdin]
valence = {6: 4, 7: 3, 8: 2, 9: 1}
types = [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE]
for n in (1, 2, 3, 4):
    pairs = list(itertools.combinations(range(n), 2))
    found = set()
    for atoms in itertools.combinations_with_replacement(sorted(valence), n):
        for orders in itertools.product(range(4), repeat=len(pairs)):
            used = [0] * n
            for (i, j), order in zip(pairs, orders):
                used[i] += order
                used[j] += order
            if any(u > valence[a] for u, a in zip(used, atoms)) or sum(o > 0 for o in orders) < n - 1:
                continue
            mol = Chem.RWMol()
            for a in atoms:
                mol.AddAtom(Chem.Atom(a))
            for (i, j), order in zip(pairs, orders):
                if order:
                    mol.AddBond(i, j, types[order])
            if len(Chem.GetMolFrags(mol)) > 1:
                continue
            try:
                Chem.SanitizeMol(mol)
            except Exception:
                continue
            if not any(mol.HasSubstructMatch(part) for part in unlikely):
                found.add(Chem.MolToSmiles(mol))
    print('\n'.join(sorted(found)))
)";

constexpr const char* kCanonical = R"(
import sys
from rdkit import Chem
for line in sys.stdin:
    mol = Chem.MolFromSmiles(line.strip())
    print(Chem.MolToSmiles(mol), sum(abs(a.GetFormalCharge()) + a.GetNumRadicalElectrons() for a in mol.GetAtoms()))
)";

TEST(Enumerate, FindsWhatPythonFindsByBruteForce) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  std::vector<std::string> parts;
  for (const auto& part : unlikely_parts()) parts.emplace_back(part.smarts);
  EXPECT_EQ(enumerate_molecules(4), testing::RdkitPython().lines(kAll, parts));
}

TEST(Enumerate, MoleculesAreCanonicalNeutralAndClosedShell) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const auto molecules = enumerate_molecules(4);
  const auto python = testing::RdkitPython().lines(kCanonical, molecules);
  ASSERT_EQ(python.size(), molecules.size());
  for (std::size_t i = 0; i < molecules.size(); ++i) EXPECT_EQ(python[i], molecules[i] + " 0");
}

TEST(Enumerate, FindsTheSmallestMolecules) {
  EXPECT_EQ(enumerate_molecules(0), std::vector<std::string>{});
  EXPECT_EQ(enumerate_molecules(1), (std::vector<std::string>{"C", "N", "O"}));
  EXPECT_EQ(enumerate_molecules(2), (std::vector<std::string>{"C", "N", "O", "C#C", "C#N", "C=C", "C=N", "C=O", "CC", "CF", "CN", "CO",
                                                              "N#N", "N=N", "N=O", "NN", "NO"}));
}

TEST(Enumerate, MoleculesAreValidOnceAndInOrder) {
  const auto molecules = enumerate_molecules(4);
  std::set<std::string> distinct(molecules.begin(), molecules.end());
  EXPECT_EQ(distinct.size(), molecules.size());
  int heavy = 0;
  for (const auto& smiles : molecules) {
    const Graph graph = parse_smiles(smiles);
    EXPECT_TRUE(graph.valid()) << smiles << ": " << graph.reason;
    EXPECT_EQ(graph.smiles, smiles);
    EXPECT_EQ(graph.fragments, 1);
    EXPECT_GE(graph.heavy_atoms, heavy) << smiles;
    heavy = graph.heavy_atoms;
  }
  for (const char* known : {"C1CC1", "C=CC=C", "CC(=O)N", "C1CO1", "N#CC#N", "C1=COC1", "FC(F)F", "O=C=O", "C=C=C", "C1CCC1", "C#CC#C"}) {
    EXPECT_TRUE(distinct.contains(parse_smiles(known).smiles)) << known;
  }
  for (const char* unlikely : {"OO", "OOO", "NNN", "FF", "C1=CC1", "C1#CC1", "C1=CC=C1", "C1=C=CC1", "FN", "NON"}) {
    EXPECT_FALSE(distinct.contains(parse_smiles(unlikely).smiles)) << unlikely;
  }
}

TEST(Enumerate, Speed) {
  const auto start = std::chrono::steady_clock::now();
  const auto five = enumerate_molecules(5);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("molecules", static_cast<int>(five.size()));
  RecordProperty("seconds", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 60.0);
}

}  // namespace
}  // namespace espalier::chem
