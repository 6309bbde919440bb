#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plugins/shared/chem/atoms.h"
#include "runtime/base/stop.h"

// Positions of molecules that have none yet, made once by plugins/shared/chem/conformers.h and kept in a file of their own.
//   <folder>/<key>.safetensors = "num_atoms" [n] int64 (0: no geometry was found), "atomic_number" [sum] uint8,
//                                "position" [sum, 3] float, angstrom, "sha256" [32] uint8: of the bytes of the three before, in this order
//   key = SHA-256 of the file's format, the algorithm (with RDKit's version), its seed, and the SMILES in order
namespace espalier::molecule {

std::string conformer_key(const std::vector<std::string>& smiles);

// $ESPALIER_HOME/conformers or ~/.cache/espalier/conformers. Throws ConfigError where neither is known.
std::filesystem::path default_conformer_folder();

// One geometry a molecule, in order; no atoms where none was found, which is said on stderr. Read from the folder's file, or made in
// parallel and written there (aside, then renamed). A file that is damaged is said so on stderr and made again. Throws CacheError where
// the folder cannot be written. `stop` is asked before each molecule that is made: throws Stopped, and no file is written.
std::vector<chem::Atoms> conformers_of(const std::vector<std::string>& smiles, const std::filesystem::path& folder, const StopToken& stop);

}  // namespace espalier::molecule
