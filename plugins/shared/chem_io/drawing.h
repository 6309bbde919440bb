#pragma once

#include <cstdint>

#include "plugins/shared/chem/atoms.h"
#include "runtime/sdk/image.h"

namespace espalier::chem {

// A square ball-and-stick image of the molecule's own geometry, valid or not: seen along the direction in which it is thinnest, lit
// from the upper left, on white; elements in the usual colours (H white, C grey, N blue, O red, F green), bonds by bonds.h with one to
// three sticks. The scale fits the molecule, but never makes an atom larger than in a molecule 4 angstrom wide.
// Atoms that find_defect refuses, none, and atoms over a million angstrom away give an empty (white) image.
Image draw_molecule(const Atoms& atoms, std::int64_t pixels = 192);

}  // namespace espalier::chem
