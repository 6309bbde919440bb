#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "plugins/shared/chem/atoms.h"

// What RDKit computes of a molecule. The only access to RDKit: its types stay in the .cpp files of plugins/shared/chem* (rdkit_molecule.h),
// its exceptions are caught here and become `reason`, its log is silent. Functions are thread-safe; a RdkitMolecule must not be used by two
// threads at once (RDKit caches in it).
namespace espalier::chem {

struct RdkitMolecule;  // rdkit_molecule.h

struct Graph {
  // The WHOLE graph passes RDKit's sanitisation (valences, aromaticity, ...).
  bool valid() const { return reason.empty(); }

  std::string reason;  // why not: RDKit's words, or find_defect's; "" when valid
  // Canonical SMILES of the largest fragment (by its number of atoms, hydrogens counted; the first of equals), without explicit
  // hydrogens and without stereochemistry; "" when invalid.
  std::string smiles;
  int fragments = 0;  // connected pieces, of an invalid graph too
  // Of the whole molecule, implicit hydrogens of a SMILES counted; 0 when RDKit could not count them.
  int atoms = 0, heavy_atoms = 0;
  int charge = 0;               // of the whole molecule, the sum of its formal charges
  std::string foreign_element;  // symbol of the first element that is not H C N O F; "" when there is none, or when RDKit failed
  std::shared_ptr<const RdkitMolecule> molecule;  // the largest fragment, hydrogens implicit, sanitised; null when invalid
};

// Bonds by EDM's distances (bonds.h), neutral atoms, then sanitisation: validity is EDM's (qm9/rdkit_functions.py of its code).
// `smiles` differs from EDM's string: EDM keeps the hydrogens explicit ("[H]C([H])([H])[H]"), here they are removed after sanitisation
// ("C"). So a carbon with three hydrogens, which RDKit silently completes, reads "C" too, where EDM counts it as another molecule.
// Never throws for what a molecule may look like: no atoms, unknown elements and NaN positions are reasons.
Graph read_graph(const Atoms& atoms);
// A row of a "molecule" sample: atomic numbers [M] (0: no atom), positions [3 M] in angstrom.
Graph read_graph(std::span<const std::int64_t> atomic_numbers, std::span<const float> positions);

// Parses any SMILES that RDKit supports (elements are not limited here). A text that is none has a `reason` and no fragments.
Graph parse_smiles(std::string_view smiles);

}  // namespace espalier::chem
