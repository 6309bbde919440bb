#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "plugins/shared/chem/atoms.h"
#include "plugins/shared/chem/readers.h"
#include "plugins/shared/chem/records.h"

// Positions for molecules known by their SMILES only: RDKit's distance geometry (ETKDG version 3, 30 attempts, then 30 from random
// coordinates), then the MMFF94 force field to convergence (at most 2,000 iterations). Hydrogens become explicit, after the heavy atoms.
// These geometries are not QM9's (density functional theory): measure their own stability and report it as the ceiling.
namespace espalier::chem {

// One conformer, a function of the two arguments alone. Throws DataError saying why there is none: no SMILES, several pieces, an element
// that is not H C N O F, no embedding, no MMFF94 parameters, no convergence.
Atoms make_conformer(std::string_view smiles, std::uint64_t seed);

struct Conformers {
  std::vector<Atoms> atoms;          // in the order of the records
  std::vector<std::int64_t> record;  // the number of each
  Skipped failed;
};

// The seed of each is a function of `seed` and of its record's number, so that neither the thread count nor how a long list is cut into
// calls changes anything. A molecule that gets no conformer is counted, with its record and reason. threads 0: as many as ATen uses.
Conformers make_conformers(std::span<const SmilesRecord> records, std::uint64_t seed, int threads = 0);

}  // namespace espalier::chem
