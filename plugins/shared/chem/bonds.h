#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plugins/shared/chem/atoms.h"

// Bonds read off distances, as the "molecule stability" of EDM does it (Hoogeboom, Satorras, Vignac, Welling, ICML 2022; its code's
// qm9/bond_analyze.py and qm9/analyze.py, MIT). With d in picometres, b1, b2, b3 the usual lengths of single, double and triple bonds:
//   none if d >= b1 + 10;  single;  double if also d < b2 + 5;  triple if also d < b3 + 3.
// Distances are taken in double precision. All functions are thread-safe.
namespace espalier::chem {

struct Bond {
  int first = 0, second = 0;  // rows of the atoms, first < second
  int order = 0;              // 1, 2 or 3
};

// 0 (none) to 3. Symmetric; a NaN distance gives none. Throws DataError for an element that is not H C N O F.
int bond_order(std::int64_t atomic_number, std::int64_t other, double distance_angstrom);

// Every bonded pair, by first and then by second atom. Throws DataError for an element that is not H C N O F.
std::vector<Bond> find_bonds(const Atoms& atoms);

// How many pieces the bonds leave of `atoms` atoms; 0 of none.
int count_fragments(int atoms, std::span<const Bond> bonds);

// An atom is stable iff the orders of its bonds sum to its valence (H 1, C 4, N 3, O 2, F 1).
struct Stability {
  int stable_atoms = 0;
  int atoms = 0;
  int fragments = 0;             // pieces that the bonds leave of the atoms
  bool molecule_stable = false;  // all atoms are. No atoms: not stable (EDM's code would give stable, and is never called so)
};

// Throws DataError for an element that is not H C N O F. An atom with a NaN position has no bonds.
Stability measure_stability(const Atoms& atoms);
// A row of a "molecule" sample: atomic numbers [M] (0: no atom), positions [3 M] in angstrom.
// Throws InternalError unless there are three coordinates for each number.
Stability measure_stability(std::span<const std::int64_t> atomic_numbers, std::span<const float> positions);

}  // namespace espalier::chem
