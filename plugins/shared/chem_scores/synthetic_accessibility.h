#pragma once

#include <filesystem>
#include <string>

#include "plugins/shared/chem_scores/synthetic_accessibility_data.h"

namespace espalier::chem {

// Synthetic accessibility, 1 (easy) to 10 (hard): Ertl and Schuffenhauer, Journal of Cheminformatics 1:8 (2009), a port of RDKit's
// Contrib/SA_Score/sascorer.py (release 2022.09.3), which differs from the paper in the macrocycle penalty and the symmetry term.
//   s = mean of the fragments' scores, by count
//     - (n^1.005 - n) - log10(chiral centres + 1) - log10(spiro atoms + 1) - log10(bridgeheads + 1) - log10(2) [a ring of more than 8]
//     + log(n / distinct fragments) / 2 where that is positive                 (n heavy atoms)
//   SA = 11 - 9 (s + 5) / 6.5, above 8 bent to 8 + log(SA - 8), then clamped to [1, 10]
// Immutable, thread-safe.
class SyntheticAccessibility {
 public:
  explicit SyntheticAccessibility(const std::filesystem::path& fragment_scores) : fragments_(fragment_scores) {}

  // Throws DataError for a text that is no SMILES of at least one atom.
  double score(const std::string& smiles) const;

 private:
  FragmentScores fragments_;
};

}  // namespace espalier::chem
