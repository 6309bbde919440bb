#include "plugins/shared/chem_scores/smiles_molecule.h"

#include <GraphMol/SmilesParse/SmilesParse.h>

#include "plugins/shared/chem/rdkit_molecule.h"
#include "runtime/base/errors.h"

namespace espalier::chem {

std::unique_ptr<RDKit::RWMol> molecule_of(const std::string& smiles) {
  silence_rdkit();
  std::string reason = "it has no atoms";
  try {
    std::unique_ptr<RDKit::RWMol> molecule(RDKit::SmilesToMol(smiles));
    if (molecule && molecule->getNumAtoms() > 0) return molecule;
    if (!molecule) reason = "it is no SMILES";
  } catch (const std::exception& error) {
    reason = error.what();
  }
  throw DataError("the molecule '" + smiles + "' cannot be judged: " + reason);
}

}  // namespace espalier::chem
