#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/domain/molecule/molecule_list.h"
#include "plugins/shared/chem/atoms.h"
#include "runtime/sdk/dataset.h"

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

// Molecules as samples: "atomic_number" [B, M] int64 (0: no atom) and "position" [B, M, 3] float64 in angstrom, the mean of a molecule's
// atoms at the origin. Of the n molecules at `places` that have a geometry, position p shows molecule p mod n: as it is where p < n, else
// turned by a rotation that is uniform on SO(3) and a function of p alone. The conditions are the encoded molecules, with metadata
// {"num_atoms", "smiles"}.
std::unique_ptr<Examples> make_examples(std::shared_ptr<const Geometries> geometries, std::vector<std::int64_t> places,
                                        const Encoding& encoding);

// The splits "train" and, where it has places, "held_out". Conditions: `num_conditions` numbers of atoms, spread like the training
// molecules'; nothing is given.
class MoleculeData final : public Dataset {
 public:
  MoleculeData(std::shared_ptr<const Geometries> geometries, std::map<std::string, std::vector<std::int64_t>> places,
               const Encoding& encoding, std::int64_t num_conditions);
  std::vector<std::string> splits() const override;
  Conditions conditions(const std::string& split) const override;
  std::unique_ptr<Examples> examples(const std::string& split) const override;

 private:
  const std::vector<std::int64_t>& places(const std::string& split) const;
  std::shared_ptr<const Geometries> geometries_;
  std::map<std::string, std::vector<std::int64_t>> places_;
  Encoding encoding_;
  std::int64_t num_conditions_;
};

}  // namespace espalier::molecule
