// The formula is that of RDKit's Contrib/SA_Score/sascorer.py (Peter Ertl and Greg Landrum, Copyright (c) 2013, Novartis Institutes for
// BioMedical Research Inc.), under the licence whose text stands in qed_data.cpp.
#include "plugins/shared/chem_scores/synthetic_accessibility.h"

#include <GraphMol/Descriptors/Lipinski.h>
#include <GraphMol/Fingerprints/MorganFingerprints.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/RingInfo.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "plugins/shared/chem_scores/smiles_molecule.h"

namespace espalier::chem {
namespace {

constexpr unsigned kRadius = 2;
constexpr double kLowest = -4.0, kHighest = 2.5;  // of the sum that is mapped to 10 .. 1
constexpr std::size_t kMacrocycle = 8;            // a ring of more atoms is one

double chiral_centres(RDKit::RWMol& molecule) {
  RDKit::MolOps::assignStereochemistry(molecule, /*cleanIt=*/false, /*force=*/true, /*flagPossibleStereoCenters=*/true);
  int count = 0;
  for (const auto* atom : molecule.atoms()) {
    using namespace RDKit::common_properties;
    count += atom->hasProp(_CIPCode) || atom->hasProp(_ChiralityPossible) ? 1 : 0;
  }
  return count;
}

double complexity(RDKit::RWMol& molecule) {
  const double atoms = molecule.getNumAtoms();
  const auto& rings = molecule.getRingInfo()->atomRings();
  const bool macrocycle = std::any_of(rings.begin(), rings.end(), [](const auto& ring) { return ring.size() > kMacrocycle; });
  return std::pow(atoms, 1.005) - atoms + std::log10(chiral_centres(molecule) + 1.0) +
         std::log10(RDKit::Descriptors::calcNumSpiroAtoms(molecule) + 1.0) +
         std::log10(RDKit::Descriptors::calcNumBridgeheadAtoms(molecule) + 1.0) + (macrocycle ? std::log10(2.0) : 0.0);
}

}  // namespace

double SyntheticAccessibility::score(const std::string& smiles) const {
  const auto molecule = molecule_of(smiles);
  const std::unique_ptr<RDKit::SparseIntVect<std::uint32_t>> fingerprint(RDKit::MorganFingerprints::getFingerprint(*molecule, kRadius));
  const auto& fragments = fingerprint->getNonzeroElements();
  double sum = 0.0;
  int count = 0;
  for (const auto& [fragment, times] : fragments) {
    sum += fragments_.of(fragment) * times;
    count += times;
  }
  const double density = static_cast<double>(molecule->getNumAtoms()) / static_cast<double>(fragments.size());
  const double raw = sum / count - complexity(*molecule) + (density > 1.0 ? 0.5 * std::log(density) : 0.0);
  double score = 11.0 - (raw - kLowest + 1.0) / (kHighest - kLowest) * 9.0;
  if (score > 8.0) score = 8.0 + std::log(score - 8.0);
  return std::clamp(score, 1.0, 10.0);
}

}  // namespace espalier::chem
