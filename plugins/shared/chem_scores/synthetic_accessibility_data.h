#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace espalier::chem {

// How common each fragment (an element of a Morgan fingerprint of radius 2) is among synthesised molecules, as the log share Ertl and
// Schuffenhauer fitted to PubChem: fpscores.pkl.gz of RDKit's Contrib/SA_Score, read as it is. Immutable.
//   file:   gzip of a Python pickle of protocol 0, a list of lists (score, fragment, fragment, ...):
//   pickle = list "."     list = "(l" memo { ( group | number ) "a" }     group = list     memo = "p" digits "\n"
//   number = "F" decimal "\n" | "I" digits "\n"
class FragmentScores {
 public:
  // Throws DataError naming the file: missing, cut off, or not of this form.
  explicit FragmentScores(const std::filesystem::path& file);

  double of(std::uint32_t fragment) const;  // -4 for one that is not listed
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint32_t fragment;
    double score;
  };
  std::vector<Entry> entries_;  // ascending; of equal fragments the last counts
};

// $RDBASE/Contrib/SA_Score/fpscores.pkl.gz as RDKit itself looks for its data, or where Debian's rdkit-data has it.
std::filesystem::path default_fragment_scores();
// Throws DataError naming where the file comes from, when it is not there.
void require_fragment_scores(const std::filesystem::path& file);

}  // namespace espalier::chem
