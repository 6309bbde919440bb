#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "plugins/shared/chem/atoms.h"
#include "plugins/shared/chem_io/records.h"

namespace espalier::molecule {

// Molecules as a source names them.
struct MoleculeList {
  std::vector<std::string> smiles;      // [n] canonical; of a file with positions that of its distances, "" where they make no valid one
  std::vector<std::string> name;        // [n] what decides whether it is held out: the SMILES, or file and record where there is none
  std::vector<std::int64_t> num_atoms;  // [n] hydrogens counted
  std::vector<chem::Atoms> atoms;       // [n] of files with positions; else none
  std::vector<std::string> left_out;    // a line for each cause, for a person
  std::size_t size() const { return smiles.size(); }
};

struct ListOptions {
  std::string source = "enumerated";  // "enumerated", "smiles", "xyz" or "sdf"
  std::filesystem::path data = {};    // a file, or a folder of such files (all of them are read, by their paths); not of enumerated
  std::int64_t max_heavy_atoms = 0;   // 0: any; of enumerated 4
  std::int64_t max_atoms = 29;        // a molecule with more is wrong
  std::int64_t max_molecules = 0;     // 0: all; else so many with the smallest SHA-256 of "<seed>/subset/<name>", in the order of the list
  std::int64_t seed = 0;
  chem::OnError on_error = chem::OnError::fail;
};

// A molecule that a list of SMILES repeats is taken once; a file with positions may have several geometries of one.
// Throws DataError: what is wrong with a record (on_error = fail), or that no molecule is left.
MoleculeList list_molecules(const ListOptions& options);

}  // namespace espalier::molecule
