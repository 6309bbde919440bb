#include "plugins/shared/chem/conformers.h"

#include <ForceField/ForceField.h>
#include <GraphMol/DistGeomHelpers/Embedder.h>
#include <GraphMol/ForceFieldHelpers/MMFF/AtomTyper.h>
#include <GraphMol/ForceFieldHelpers/MMFF/Builder.h>
#include <GraphMol/MolOps.h>
#include <fmt/format.h>

#include <exception>
#include <memory>
#include <string>

#include "plugins/shared/chem/rdkit_molecule.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

constexpr int kMaxIterations = 2000;
// Some bridged cages hardly embed at all. Of 1,000 molecules spread over QM9, 904 get a conformer so; RDKit's own limit, ten attempts an
// atom, gives 925 and takes three times as long for the whole list.
constexpr unsigned kAttempts = 30;
constexpr double kNonBondedDistance = 100.0;  // as RDKit's Python has it: all pairs

// splitmix64, folded into what RDKit takes as a seed: 1 .. 2^31 - 1.
int fold_seed(std::uint64_t seed) {
  seed += 0x9E3779B97F4A7C15ULL;
  seed = (seed ^ (seed >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  seed = (seed ^ (seed >> 27U)) * 0x94D049BB133111EBULL;
  seed ^= seed >> 31U;
  return static_cast<int>(seed % 0x7FFFFFFFULL) + 1;
}

void require(bool holds, const std::string& reason) {
  if (!holds) throw DataError(reason);
}

std::unique_ptr<RDKit::RWMol> with_hydrogens(std::string_view smiles) {
  std::string reason;
  auto mol = parse_molecule(smiles, reason);
  require(mol != nullptr, reason);
  RDKit::MolOps::sanitizeMol(*mol);
  RDKit::MolOps::assignStereochemistry(*mol, /*cleanIt=*/true);
  RDKit::MolOps::addHs(*mol);
  std::vector<int> mapping;
  const auto pieces = RDKit::MolOps::getMolFrags(*mol, mapping);
  require(pieces == 1, fmt::format("in {} pieces", pieces));
  for (const RDKit::Atom* atom : mol->atoms()) {
    require(element_class(atom->getAtomicNum()) >= 0, fmt::format("element '{}' is none of H, C, N, O, F", atom->getSymbol()));
  }
  return mol;
}

void embed(RDKit::ROMol& mol, std::uint64_t seed) {
  auto parameters = RDKit::DGeomHelpers::ETKDGv3;
  parameters.randomSeed = fold_seed(seed);
  parameters.maxIterations = kAttempts;
  if (RDKit::DGeomHelpers::EmbedMolecule(mol, parameters) >= 0) return;
  parameters.useRandomCoords = true;
  require(RDKit::DGeomHelpers::EmbedMolecule(mol, parameters) >= 0, fmt::format("ETKDG finds no embedding in {} attempts", 2 * kAttempts));
}

void relax(RDKit::ROMol& mol) {
  RDKit::MMFF::MMFFMolProperties properties(mol, "MMFF94");
  require(properties.isValid(), "MMFF94 has no parameters for it");
  const std::unique_ptr<ForceFields::ForceField> field(RDKit::MMFF::constructForceField(mol, &properties, kNonBondedDistance));
  field->initialize();
  require(field->minimize(kMaxIterations) == 0, fmt::format("MMFF94 does not converge in {} iterations", kMaxIterations));
}

}  // namespace

Atoms make_conformer(std::string_view smiles, std::uint64_t seed) {
  silence_rdkit();
  try {
    const auto mol = with_hydrogens(smiles);
    embed(*mol, seed);
    relax(*mol);
    Atoms atoms;
    for (const RDKit::Atom* atom : mol->atoms()) {
      const RDGeom::Point3D& p = mol->getConformer().getAtomPos(atom->getIdx());
      atoms.atomic_number.push_back(atom->getAtomicNum());
      atoms.position.push_back({p.x, p.y, p.z});
    }
    const std::string defect = find_defect(atoms);
    require(defect.empty(), defect);
    return atoms;
  } catch (const std::exception& e) {  // RDKit's, and those of `require`
    throw DataError(fmt::format("'{}': {}", smiles, e.what()));
  }
}

}  // namespace espalier::chem
