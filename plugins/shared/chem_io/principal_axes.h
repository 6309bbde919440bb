#pragma once

#include <array>
#include <vector>

#include "plugins/shared/chem/atoms.h"

namespace espalier::chem {

// The positions about their mean, turned so that they spread most along x and least along z (a rotation, never a reflection).
std::vector<std::array<double, 3>> align_to_axes(const Atoms& atoms);

}  // namespace espalier::chem
