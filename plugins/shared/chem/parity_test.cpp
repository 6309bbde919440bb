// Stability, validity and SMILES against EDM's definitions written anew in Python, and RDKit's Python, molecule by molecule.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "plugins/shared/chem/bonds.h"
#include "plugins/shared/chem/conformers.h"
#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/test_atoms.h"
#include "plugins/shared/chem/test_molecules.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

// A molecule a line; answers: stable atoms, atoms, molecule stable, valid, fragments, our SMILES, EDM's SMILES.
constexpr const char* kMoleculeScript = R"(
import json, math, sys
from rdkit import Chem, RDLogger
RDLogger.DisableLog('rdApp.*')
lengths = {1: {'HH': 74, 'HC': 109, 'HN': 101, 'HO': 96, 'HF': 92, 'CC': 154, 'CN': 147, 'CO': 143, 'CF': 135,
               'NN': 145, 'NO': 140, 'NF': 136, 'OO': 148, 'OF': 142, 'FF': 142},
           2: {'CC': 134, 'CN': 129, 'CO': 120, 'NN': 125, 'NO': 121, 'OO': 121},
           3: {'CC': 120, 'CN': 116, 'CO': 113, 'NN': 110}}
margin = {1: 10, 2: 5, 3: 3}
valence = {'H': 1, 'C': 4, 'N': 3, 'O': 2, 'F': 1}
def order(a, b, pm):
    pair = a + b if 'HCNOF'.index(a) <= 'HCNOF'.index(b) else b + a
    found = 0
    for k in (1, 2, 3):
        if pair not in lengths[k] or not pm < lengths[k][pair] + margin[k]:
            break
        found = k
    return found
types = [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE]
for line in sys.stdin:
    molecule = json.loads(line)
    symbols, x = molecule['symbols'], molecule['x']
    n = len(symbols)
    total, mol = [0] * n, Chem.RWMol()
    for s in symbols:
        mol.AddAtom(Chem.Atom(s))
    for i in range(n):
        for j in range(i):
            o = order(symbols[i], symbols[j], 100 * math.sqrt(sum((p - q) ** 2 for p, q in zip(x[i], x[j]))))
            total[i] += o
            total[j] += o
            if o:
                mol.AddBond(i, j, types[o])
    stable = sum(t == valence[s] for t, s in zip(total, symbols))
    fragments = len(Chem.GetMolFrags(mol))
    try:
        Chem.SanitizeMol(mol)
        largest = max(Chem.GetMolFrags(mol, asMols=True), default=mol, key=lambda m: m.GetNumAtoms())
        edm = Chem.MolToSmiles(largest)
        ours = Chem.MolToSmiles(Chem.RemoveHs(largest))
        valid = 1
    except ValueError:
        edm, ours, valid = '-', '-', 0
    print(stable, n, int(stable == n), valid, fragments, ours, edm)
)";

std::string answer(const Stability& stability, const Graph& graph) {
  return fmt::format("{} {} {} {} {} {}", stability.stable_atoms, stability.atoms, stability.molecule_stable ? 1 : 0, graph.valid() ? 1 : 0,
                     graph.fragments, graph.valid() ? graph.smiles : "-");
}

std::string to_json(const Atoms& atoms) {
  nlohmann::json molecule{{"x", atoms.position}};
  for (const int number : atoms.atomic_number) molecule["symbols"].push_back(element_symbol(number));
  return molecule.dump();
}

// Conformers and reference geometries, each as it is and shaken more and more.
std::vector<Atoms> shaken_molecules() {
  std::vector<std::string> list = testing::qm9(40);
  for (const char* smiles : {"CCO", "c1cc[nH]c1", "CC(N)=O", "N#CC=O", "FC(F)F", "C1CC1", "OCC#C", "NC(N)=O"}) list.emplace_back(smiles);
  std::vector<Atoms> molecules;
  for (const std::string& smiles : list) {
    try {
      molecules.push_back(make_conformer(smiles, 1));
    } catch (const DataError&) {
      continue;  // some of QM9's cages have none
    }
  }
  for (Atoms& atoms : testing::qm9_first20()) molecules.push_back(std::move(atoms));
  std::mt19937 random(20);
  const std::size_t count = molecules.size();
  for (const double sigma : {0.01, 0.03, 0.05, 0.08, 0.12, 0.2, 0.4, 0.8}) {
    for (int copy = 0; copy < 2; ++copy) {
      for (std::size_t i = 0; i < count; ++i) molecules.push_back(testing::shaken(molecules[i], sigma, random));
    }
  }
  return molecules;
}

TEST(Parity, OfStabilityValidityAndSmiles) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const std::vector<Atoms> molecules = shaken_molecules();
  std::vector<std::string> input;
  for (const Atoms& atoms : molecules) input.push_back(to_json(atoms));
  const auto expected = testing::RdkitPython().lines(kMoleculeScript, input);
  ASSERT_EQ(expected.size(), molecules.size());
  int valid = 0, stable = 0;
  for (std::size_t i = 0; i < molecules.size(); ++i) {
    const Stability stability = measure_stability(molecules[i]);
    const Graph graph = read_graph(molecules[i]);
    ASSERT_EQ(answer(stability, graph), expected[i].substr(0, expected[i].rfind(' '))) << input[i];
    valid += graph.valid() ? 1 : 0;
    stable += stability.molecule_stable ? 1 : 0;
  }
  // Both outcomes must have been compared.
  EXPECT_GT(stable, 20);
  EXPECT_GT(valid, stable);
  EXPECT_LT(valid, static_cast<int>(molecules.size()));
  RecordProperty("molecules_valid_stable", fmt::format("{} {} {}", molecules.size(), valid, stable));
}

constexpr const char* kSmilesScript = R"(
import sys
from rdkit import Chem, RDLogger
RDLogger.DisableLog('rdApp.*')
for line in sys.stdin:
    mol = Chem.MolFromSmiles(line.strip())
    if mol is None:
        print('-')
        continue
    mol = max(Chem.GetMolFrags(mol, asMols=True), key=lambda m: Chem.AddHs(m).GetNumAtoms())
    Chem.RemoveStereochemistry(mol)
    print(Chem.MolToSmiles(mol), Chem.AddHs(mol).GetNumAtoms())
)";

TEST(Parity, OfParsedSmiles) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  std::vector<std::string> list = testing::qm9(1500);
  for (auto& smiles : testing::drugs()) list.push_back(std::move(smiles));
  for (const char* smiles : {"C(C)(C)(C)(C)C", "c1cccc1", "F/C=C/F", "C[C@H](O)F", "[NH4+]", "N(=O)(=O)C", "O=[N+]([O-])C"})
    list.emplace_back(smiles);
  const auto expected = testing::RdkitPython().lines(kSmilesScript, list);
  ASSERT_EQ(expected.size(), list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Graph graph = parse_smiles(list[i]);
    const std::string found = graph.valid() ? graph.smiles : "-";
    EXPECT_EQ(found, expected[i].substr(0, expected[i].find(' '))) << list[i];
    if (graph.fragments != 1 || !graph.valid()) continue;
    EXPECT_EQ(std::to_string(graph.atoms), expected[i].substr(expected[i].find(' ') + 1)) << list[i];
  }
}

}  // namespace
}  // namespace espalier::chem
