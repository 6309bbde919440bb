#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace espalier::chem {

// A Morgan fingerprint of radius 2 folded into 2048 bits, as RDKit's GetMorganFingerprintAsBitVect(molecule, 2, 2048) sets them.
using Fingerprint = std::array<std::uint64_t, 32>;

// Throws DataError for a text that is no SMILES of at least one atom. Thread-safe.
Fingerprint morgan_fingerprint(const std::string& smiles);

// |a and b| / |a or b|; 0 of two empty ones.
double tanimoto(const Fingerprint& a, const Fingerprint& b);

// The mean of tanimoto(f_i, f_j) over all pairs i < j, on all cores, the same bits on any number; 0 of fewer than two. Its cost grows with
// the square of their number.
double mean_tanimoto(std::span<const Fingerprint> fingerprints);

}  // namespace espalier::chem
