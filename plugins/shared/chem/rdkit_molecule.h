#pragma once

#include <GraphMol/RWMol.h>

#include <memory>
#include <string>

#include "plugins/shared/chem/graph.h"

// For the .cpp files of plugins/shared/chem* only: what graph.h's opaque handle holds.
namespace espalier::chem {

struct RdkitMolecule {
  RDKit::ROMol mol;
};

// RDKit's loggers are switched off for the whole process, once. Call it before the first use of RDKit.
void silence_rdkit();

// Parses and sanitises; hydrogens stay as written. Null, with a reason, when RDKit refuses. Throws nothing.
std::unique_ptr<RDKit::RWMol> parse_molecule(std::string_view smiles, std::string& reason);

}  // namespace espalier::chem
