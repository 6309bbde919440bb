#pragma once

#include <span>
#include <string>
#include <vector>

namespace espalier::chem {

// A part that keeps a molecule out of the enumeration: valences allow it, a chemist would not have it.
struct UnlikelyPart {
  const char* smarts;
  const char* meaning;
};
std::span<const UnlikelyPart> unlikely_parts();

// All molecules of 1 to `max_heavy_atoms` heavy atoms C N O F in one piece, without charges or radicals (hydrogens fill the valences
// 4, 3, 2, 1), that RDKit sanitises and that have no unlikely part. Canonical SMILES without stereochemistry, each once, by their number
// of heavy atoms and then by their bytes. Up to 4 heavy atoms: a few hundred, in well under a second; each atom more takes some fifteen
// times as long. Thread-safe.
std::vector<std::string> enumerate_molecules(int max_heavy_atoms);

}  // namespace espalier::chem
