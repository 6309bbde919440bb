#pragma once

#include <string>
#include <string_view>

#include "plugins/shared/chem/atoms.h"

// Text of one record; records are files' contents put one after the other. Readers take back what is written here.
// A line end in `comment` or `name` becomes a blank. Elements that are not H C N O F throw DataError.
namespace espalier::chem {

// XYZ with eight decimals: read_xyz gives the positions back to 1e-8 angstrom.
std::string to_xyz(const Atoms& atoms, std::string_view comment = "");

// SDF (V2000), bonds by bonds.h, ended by "$$$$"; four decimals, as the format has it. An atom whose bonds do not fill its valence is
// written as it is: other programs may complete it with hydrogens. Throws DataError where find_sdf_defect finds something.
std::string to_sdf(const Atoms& atoms, std::string_view name = "");

// Why V2000 cannot hold it: over 999 atoms or bonds, or a position that does not fit the columns (a poor model puts atoms anywhere); ""
// when it can.
std::string find_sdf_defect(const Atoms& atoms);

}  // namespace espalier::chem
