#include "plugins/shared/chem/enumerate.h"

#include <GraphMol/MolOps.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <GraphMol/Substruct/SubstructMatch.h>

#include <array>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem/rdkit_molecule.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

constexpr std::array<UnlikelyPart, 8> kUnlikely = {{
    {"[#7,#8,#9]~[#7,#8,#9]~[#7,#8,#9]", "three heteroatoms in a row"},
    {"[#8]~[#8]", "two oxygens in a row"},
    {"[#9]~[#7,#8,#9]", "fluorine on a heteroatom"},
    {"[#9H1]", "fluorine on hydrogen: MMFF94 does not know it"},
    {"*1=**1", "a double bond in a ring of three"},
    {"*1=**=*1", "two double bonds in a ring of four"},
    {"*@#*", "a triple bond in a ring"},
    {"*@=*@=*", "cumulated double bonds in a ring"},
}};

struct Element {
  int atomic_number;
  int valence;
};
constexpr std::array<Element, 4> kHeavy = {{{6, 4}, {7, 3}, {8, 2}, {9, 1}}};

// Molecules while they grow: heavy atoms and bonds with orders, no aromaticity, so that every Kekule form grows on its own.
using Pool = std::map<std::string, RDKit::RWMol>;

void add(Pool& pool, RDKit::RWMol mol) {
  mol.updatePropertyCache();
  if (mol.getRingInfo()->isInitialized()) mol.getRingInfo()->reset();
  RDKit::MolOps::fastFindRings(mol);
  std::string name = RDKit::MolToSmiles(mol);
  pool.try_emplace(std::move(name), std::move(mol));
}

// How many more bonds an atom can have.
int free_valence(const RDKit::RWMol& mol, unsigned atom) {
  int used = 0, valence = 0;
  for (const auto& element : kHeavy) valence += element.atomic_number == mol.getAtomWithIdx(atom)->getAtomicNum() ? element.valence : 0;
  for (const RDKit::Bond* bond : mol.atomBonds(mol.getAtomWithIdx(atom))) used += static_cast<int>(bond->getBondTypeAsDouble());
  return valence - used;
}

unsigned add_atom(RDKit::RWMol& mol, int atomic_number) {
  return mol.addAtom(new RDKit::Atom(atomic_number), /*updateLabel=*/false, /*takeOwnership=*/true);
}

// Trees of single bonds with one atom more.
Pool grow(const Pool& trees) {
  Pool grown;
  for (const auto& [name, tree] : trees) {
    for (unsigned at = 0; at < tree.getNumAtoms(); ++at) {
      if (free_valence(tree, at) == 0) continue;
      for (const auto& element : kHeavy) {
        RDKit::RWMol mol(tree);
        mol.addBond(at, add_atom(mol, element.atomic_number), RDKit::Bond::SINGLE);
        add(grown, std::move(mol));
      }
    }
  }
  return grown;
}

// One bond more between two atoms, up to a triple bond.
bool strengthen(RDKit::RWMol& mol, unsigned first, unsigned second) {
  RDKit::Bond* bond = mol.getBondBetweenAtoms(first, second);
  if (bond == nullptr) {
    mol.addBond(first, second, RDKit::Bond::SINGLE);
    return true;
  }
  if (bond->getBondType() == RDKit::Bond::TRIPLE) return false;
  bond->setBondType(bond->getBondType() == RDKit::Bond::SINGLE ? RDKit::Bond::DOUBLE : RDKit::Bond::TRIPLE);
  return true;
}

// Everything that adding bonds makes of the trees, themselves included.
Pool add_bonds(const Pool& trees) {
  Pool all = trees, newest = trees;
  while (!newest.empty()) {
    Pool next;
    for (const auto& [name, from] : newest) {
      for (unsigned i = 0; i < from.getNumAtoms(); ++i) {
        for (unsigned j = i + 1; j < from.getNumAtoms(); ++j) {
          if (free_valence(from, i) == 0 || free_valence(from, j) == 0) continue;
          RDKit::RWMol mol(from);
          if (strengthen(mol, i, j)) add(next, std::move(mol));
        }
      }
    }
    newest.clear();
    for (auto& [name, mol] : next) {
      if (all.emplace(name, mol).second) newest.emplace(name, std::move(mol));
    }
  }
  return all;
}

std::vector<std::unique_ptr<RDKit::RWMol>> parse_parts() {
  std::vector<std::unique_ptr<RDKit::RWMol>> parts;
  for (const auto& part : kUnlikely) parts.emplace_back(RDKit::SmartsToMol(part.smarts));
  return parts;
}

// Its canonical SMILES, or "" where RDKit refuses it or a part is unlikely.
std::string judge(const RDKit::RWMol& grown, const std::vector<std::unique_ptr<RDKit::RWMol>>& parts) {
  try {
    RDKit::RWMol mol(grown);
    RDKit::MolOps::sanitizeMol(mol);
    for (const auto& part : parts) {
      RDKit::MatchVectType match;
      if (RDKit::SubstructMatch(mol, *part, match)) return "";
    }
    return RDKit::MolToSmiles(mol);
  } catch (const RDKit::MolSanitizeException&) {
    return "";
  }
}

std::set<std::string> judge_all(const Pool& pool) {
  std::vector<const RDKit::RWMol*> molecules;
  for (const auto& [name, mol] : pool) molecules.push_back(&mol);
  std::vector<std::string> smiles(molecules.size());
  const auto parts = parse_parts();
  for_each_index(molecules.size(), 0, [&](std::size_t i) { smiles[i] = judge(*molecules[i], parts); });
  std::set<std::string> likely(smiles.begin(), smiles.end());
  likely.erase("");
  return likely;
}

}  // namespace

std::span<const UnlikelyPart> unlikely_parts() { return kUnlikely; }

std::vector<std::string> enumerate_molecules(int max_heavy_atoms) {
  silence_rdkit();
  std::vector<std::string> result;
  try {
    Pool trees;
    for (int atoms = 1; atoms <= max_heavy_atoms; ++atoms) {
      if (atoms == 1) {
        for (const auto& element : kHeavy) {
          RDKit::RWMol mol;
          add_atom(mol, element.atomic_number);
          add(trees, std::move(mol));
        }
      } else {
        trees = grow(trees);
      }
      const auto likely = judge_all(add_bonds(trees));
      result.insert(result.end(), likely.begin(), likely.end());
    }
  } catch (const std::exception& error) {
    throw InternalError(std::string("RDKit could not enumerate molecules: ") + error.what());
  }
  return result;
}

}  // namespace espalier::chem
