#pragma once

#include <cstdint>
#include <string_view>

#include "plugins/shared/chem/atoms.h"

// Positions for molecules known by their SMILES only: RDKit's distance geometry (ETKDG version 3, 30 attempts, then 30 from random
// coordinates), then the MMFF94 force field to convergence (at most 2,000 iterations). Hydrogens become explicit, after the heavy atoms.
// These geometries are not QM9's (density functional theory): measure their own stability and report it as the ceiling.
namespace espalier::chem {

// One conformer, a function of the two arguments alone. Throws DataError saying why there is none: no SMILES, several pieces, an element
// that is not H C N O F, no embedding, no MMFF94 parameters, no convergence.
Atoms make_conformer(std::string_view smiles, std::uint64_t seed);

}  // namespace espalier::chem
