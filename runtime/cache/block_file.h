#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/cache/paths.h"
#include "runtime/cache/store.h"

namespace espalier::cache {

// Throws InternalError unless the block can be published: S > 0 consecutive indices, S conditions, steps descending to 0, and the same
// fields, shapes [S, ...] and dtypes at every step, on the CPU.
void check_block(const Block& block);

// A layer's HDF5 file (FORMAT.md). Equal blocks give equal bytes.
std::string encode_block(const Hex& set_id, const Block& block);

// The wanted steps (all, when nullopt) of a file. Throws DataError naming origin when it is not this set's block, or lacks a step.
Block decode_block(const std::string& bytes, const Hex& set_id, std::uint64_t number, const std::optional<std::set<std::int64_t>>& steps,
                   const std::string& origin);

// SHA-256 of indices, conditions and x_0: what all layers of a block have in common.
Hex sample_digest(const Block& block);

// One reward's scores of a block, likewise.
std::string encode_scores(const BlockFolder& folder, std::uint64_t number, const std::vector<double>& score);
std::vector<double> decode_scores(const std::string& bytes, const BlockFolder& folder, std::uint64_t number, const std::string& origin);

}  // namespace espalier::cache
