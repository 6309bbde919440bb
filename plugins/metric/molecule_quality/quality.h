#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace espalier::molecule_quality {

// What is computed of one molecule from its atoms.
struct Molecule {
  std::string smiles;  // canonical, of the largest fragment; "" when the molecule is invalid
  int atoms = 0;
  int stable_atoms = 0;
  bool stable = false;
  bool connected = false;  // its bonds leave one piece; of an invalid molecule too
};

struct Counts {
  std::int64_t molecules = 0;
  std::int64_t atoms = 0, stable_atoms = 0;
  std::int64_t stable_molecules = 0;
  std::int64_t valid = 0;
  std::int64_t connected = 0, connected_and_valid = 0;
  std::int64_t distinct = 0;  // SMILES among the valid ones
  std::int64_t novel = 0;     // of the distinct ones, those not in `known`
};

using Known = std::unordered_set<std::string>;

Counts count(const std::vector<Molecule>& molecules, const Known& known);
Known known_of(const std::vector<Molecule>& molecules);  // the SMILES of the valid ones

// 1 - the mean Tanimoto similarity of the Morgan fingerprints (radius 2, 2048 bits) of all pairs of the first `limit` valid molecules;
// equal molecules are a pair of similarity 1. 0 of fewer than two valid ones.
double diversity(const std::vector<Molecule>& molecules, std::int64_t limit);

}  // namespace espalier::molecule_quality
