#include "plugins/shared/chem/graph.h"

#include <GraphMol/MolOps.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <RDGeneral/RDLog.h>
#include <fmt/format.h>

#include <exception>
#include <utility>
#include <vector>

#include "plugins/shared/chem/bonds.h"
#include "plugins/shared/chem/rdkit_molecule.h"

namespace espalier::chem {
namespace {

// Molecules as EDM builds them: hydrogens are atoms, what a valence lacks is left to RDKit's implicit hydrogens.
RDKit::RWMol build(const Atoms& atoms, const std::vector<Bond>& bonds) {
  RDKit::RWMol mol;
  for (const int number : atoms.atomic_number) mol.addAtom(new RDKit::Atom(number), /*updateLabel=*/false, /*takeOwnership=*/true);
  for (const Bond& bond : bonds) {
    constexpr std::array<RDKit::Bond::BondType, 4> kTypes = {RDKit::Bond::ZERO, RDKit::Bond::SINGLE, RDKit::Bond::DOUBLE,
                                                             RDKit::Bond::TRIPLE};
    mol.addBond(static_cast<unsigned>(bond.second), static_cast<unsigned>(bond.first), kTypes[static_cast<std::size_t>(bond.order)]);
  }
  return mol;
}

// The fragment of the most atoms, the first of equals, as Python's max() finds it.
std::shared_ptr<RdkitMolecule> largest_fragment(RDKit::RWMol& mol, int fragments) {
  if (fragments == 1) return std::make_shared<RdkitMolecule>(RdkitMolecule{RDKit::ROMol(mol)});
  const auto pieces = RDKit::MolOps::getMolFrags(mol, /*sanitizeFrags=*/true);
  std::size_t largest = 0;
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    if (pieces[i]->getNumAtoms() > pieces[largest]->getNumAtoms()) largest = i;
  }
  return std::make_shared<RdkitMolecule>(RdkitMolecule{RDKit::ROMol(*pieces[largest])});
}

void count_atoms(const RDKit::ROMol& mol, Graph& graph) {
  for (const RDKit::Atom* atom : mol.atoms()) {
    graph.atoms += 1 + static_cast<int>(atom->getTotalNumHs());
    graph.heavy_atoms += atom->getAtomicNum() > 1 ? 1 : 0;
    graph.charge += atom->getFormalCharge();
    if (graph.foreign_element.empty() && element_class(atom->getAtomicNum()) < 0) graph.foreign_element = atom->getSymbol();
  }
}

// What is read of a sanitised molecule; its hydrogens may be explicit.
void describe(RDKit::RWMol& mol, Graph& graph) {
  count_atoms(mol, graph);
  auto largest = largest_fragment(mol, graph.fragments);
  RDKit::RWMol bare(largest->mol);
  RDKit::MolOps::removeHs(bare);
  // A SMILES may give stereochemistry, distances do not. It is removed, so that a molecule has one string.
  RDKit::MolOps::removeStereochemistry(bare);
  graph.smiles = RDKit::MolToSmiles(bare);
  graph.molecule = std::make_shared<RdkitMolecule>(RdkitMolecule{RDKit::ROMol(bare)});
}

}  // namespace

void silence_rdkit() {
  static const bool silent = [] {
    boost::logging::disable_logs("rdApp.*");
    return true;
  }();
  static_cast<void>(silent);
}

std::unique_ptr<RDKit::RWMol> parse_molecule(std::string_view smiles, std::string& reason) {
  silence_rdkit();
  std::unique_ptr<RDKit::RWMol> mol;
  try {
    RDKit::SmilesParserParams parameters;
    parameters.sanitize = false;  // called separately, because only then RDKit gives the reason
    parameters.removeHs = false;
    parameters.allowCXSMILES = false;
    parameters.parseName = false;
    mol.reset(RDKit::SmilesToMol(std::string(smiles), parameters));
  } catch (const std::exception& e) {
    reason = fmt::format("no SMILES: {}", e.what());
    return nullptr;
  }
  if (mol == nullptr) {
    reason = "no SMILES: RDKit cannot parse it";
    return nullptr;
  }
  if (mol->getNumAtoms() == 0) {
    reason = "no atoms";
    return nullptr;
  }
  return mol;
}

Graph read_graph(const Atoms& atoms) {
  silence_rdkit();
  Graph graph;
  graph.reason = find_defect(atoms);
  if (!graph.reason.empty()) return graph;
  const std::vector<Bond> bonds = find_bonds(atoms);
  graph.fragments = count_fragments(static_cast<int>(atoms.atomic_number.size()), bonds);
  try {
    RDKit::RWMol mol = build(atoms, bonds);
    RDKit::MolOps::sanitizeMol(mol);
    describe(mol, graph);
  } catch (const std::exception& e) {
    Graph failed;
    failed.fragments = graph.fragments;
    failed.reason = e.what();
    return failed;
  }
  return graph;
}

Graph read_graph(std::span<const std::int64_t> atomic_numbers, std::span<const float> positions) {
  return read_graph(present_atoms(atomic_numbers, positions));
}

Graph parse_smiles(std::string_view smiles) {
  Graph graph;
  const auto mol = parse_molecule(smiles, graph.reason);
  if (mol == nullptr) return graph;
  std::vector<int> mapping;
  try {
    graph.fragments = static_cast<int>(RDKit::MolOps::getMolFrags(*mol, mapping));
    RDKit::MolOps::sanitizeMol(*mol);
    describe(*mol, graph);
  } catch (const std::exception& e) {
    Graph failed;
    failed.fragments = graph.fragments;
    failed.reason = e.what();
    return failed;
  }
  return graph;
}

}  // namespace espalier::chem
