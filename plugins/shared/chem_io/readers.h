#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "plugins/shared/chem/atoms.h"
#include "plugins/shared/chem_io/records.h"

// Files of molecules, plain or gzip'ed. A file that cannot be read at all throws DataError naming it. A record that is malformed, or
// that breaks the options (an element that is not H C N O F, too many atoms, none, a position that is NaN or infinite, several pieces),
// throws DataError with file, line and record, or is skipped and counted. An ion (its formal charges do not add up to 0; XYZ has none) is
// always skipped and counted: atoms here have no charge.
namespace espalier::chem {

// Molecules with positions, in the file's order.
struct Molecules {
  std::vector<Atoms> atoms;
  std::vector<std::int64_t> record;  // the number of each in its file, from 1
  Skipped skipped;
};

// XYZ, any number of records:  <atoms> \n <comment> \n { <element> <x> <y> <z> [more] \n }.  Elements by symbol or number, angstrom; blank
// lines between records. A record of QM9's own files, whose comment starts with "gdb ", ends with up to three more lines, none of which is
// an integer alone. 1e-6 may be written 1*^-6 (QM9) or 1D-6 (Fortran). In one piece means by bonds.h's lengths. After a malformed record
// reading goes on at the next line that holds one integer alone.
Molecules read_xyz(const std::filesystem::path& path, const ReadOptions& options);

// SDF (V2000 or V3000), records ended by "$$$$". In one piece means by the file's bonds, or by bonds.h's lengths where it has none.
// Only elements and positions are kept; charges are those of the atom block or of M  CHG. Refused too: two-dimensional coordinates, and
// hydrogens that are only implied.
Molecules read_sdf(const std::filesystem::path& path, const ReadOptions& options);

// By the name's end: .xyz, .sdf, .mol, each also with .gz. Throws DataError for another.
Molecules read_molecules(const std::filesystem::path& path, const ReadOptions& options);

struct SmilesRecord {
  std::int64_t record = 0;  // the number in its file, from 1; a header is no record
  std::string smiles;       // canonical, no stereochemistry
  int atoms = 0;            // hydrogens counted
};

struct SmilesList {
  std::vector<SmilesRecord> records;
  Skipped skipped;
};

// One SMILES a line (what follows a blank is ignored, as are empty lines and lines that start with "# "), or a table: its first line has a
// column `smiles`, separated by commas, tabs or blanks. A file whose name ends in .csv or .csv.gz must be one. Parsed on `threads` threads
// (0: as many as ATen uses), but for most of what max_heavy_atoms leaves out: there smiles_size.h suffices.
SmilesList read_smiles(const std::filesystem::path& path, const ReadOptions& options, int threads = 0);

}  // namespace espalier::chem
