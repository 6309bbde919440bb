#pragma once

#include <string>

namespace espalier::chem {

// The release of the RDKit that is loaded, "2022.09.3": canonical SMILES and conformers are a release's own.
std::string rdkit_version();

}  // namespace espalier::chem
