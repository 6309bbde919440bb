#pragma once

#include <GraphMol/RWMol.h>

#include <memory>
#include <string>

// For this folder's .cpp files only: the molecule that a SMILES names, for what is computed of it.
namespace espalier::chem {

// What RDKit's Python gives for MolFromSmiles(smiles): sanitised, hydrogens implicit, all fragments. Throws DataError naming the text.
std::unique_ptr<RDKit::RWMol> molecule_of(const std::string& smiles);

}  // namespace espalier::chem
