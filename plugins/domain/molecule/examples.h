#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/domain/molecule/molecule_list.h"
#include "plugins/shared/chem/atoms.h"
#include "runtime/sdk/domain.h"

namespace espalier::molecule {

// The molecules of a list with their positions: as the files say, or conformers, which are looked up or made when they are first asked
// for. Thread-safe.
class Geometries {
 public:
  Geometries(MoleculeList list, std::filesystem::path conformer_folder);
  const MoleculeList& list() const { return list_; }
  const std::vector<chem::Atoms>& atoms() const;              // [n], in angstrom; no atoms where no geometry was found
  Hex digest(const std::vector<std::int64_t>& places) const;  // of these molecules' positions, without making them

 private:
  MoleculeList list_;
  std::filesystem::path folder_;
  mutable std::once_flag once_;
  mutable std::vector<chem::Atoms> conformers_;
};

struct Encoding {
  std::int64_t max_atoms = 29;  // M
  double position_scale = 1.5;  // angstrom a unit
  std::int64_t rotations = 0;   // turned copies of each molecule
};

// Molecules as states of diffusion/interleaved.h: classes H C N O F = 0..4; position / position_scale, the mean of a molecule's atoms at
// the origin; nothing frozen. Of the n molecules at `places` that have a geometry, position p shows molecule p mod n: as it is where p < n,
// else turned by a rotation that is uniform on SO(3) and a function of p alone. Facts {"num_atoms", "smiles"}. The condition is the state.
std::unique_ptr<Examples> make_examples(std::shared_ptr<const Geometries> geometries, std::vector<std::int64_t> places,
                                        const Encoding& encoding);

}  // namespace espalier::molecule
