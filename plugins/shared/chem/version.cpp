#include "plugins/shared/chem/version.h"

#include <RDGeneral/versions.h>

namespace espalier::chem {

std::string rdkit_version() { return RDKit::rdkitVersion; }

}  // namespace espalier::chem
