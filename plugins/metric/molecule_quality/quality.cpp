#include "plugins/metric/molecule_quality/quality.h"

#include <algorithm>

#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem_scores/similarity.h"

namespace espalier::molecule_quality {

Known known_of(const std::vector<Molecule>& molecules) {
  Known known;
  for (const auto& molecule : molecules) {
    if (!molecule.smiles.empty()) known.insert(molecule.smiles);
  }
  return known;
}

Counts count(const std::vector<Molecule>& molecules, const Known& known) {
  Counts counts;
  for (const auto& molecule : molecules) {
    ++counts.molecules;
    counts.atoms += molecule.atoms;
    counts.stable_atoms += molecule.stable_atoms;
    counts.stable_molecules += molecule.stable ? 1 : 0;
    const bool valid = !molecule.smiles.empty();
    counts.valid += valid ? 1 : 0;
    counts.connected += molecule.connected ? 1 : 0;
    counts.connected_and_valid += valid && molecule.connected ? 1 : 0;
  }
  const Known distinct = known_of(molecules);
  counts.distinct = static_cast<std::int64_t>(distinct.size());
  counts.novel = std::count_if(distinct.begin(), distinct.end(), [&](const auto& smiles) { return !known.contains(smiles); });
  return counts;
}

double diversity(const std::vector<Molecule>& molecules, std::int64_t limit) {
  std::vector<std::string> valid;
  for (const auto& molecule : molecules) {
    if (!molecule.smiles.empty() && static_cast<std::int64_t>(valid.size()) < limit) valid.push_back(molecule.smiles);
  }
  if (valid.size() < 2) return 0.0;
  std::vector<chem::Fingerprint> fingerprints(valid.size());
  chem::for_each_index(valid.size(), /*threads=*/0, [&](std::size_t i) { fingerprints[i] = chem::morgan_fingerprint(valid[i]); });
  return 1.0 - chem::mean_tanimoto(fingerprints);
}

}  // namespace espalier::molecule_quality
