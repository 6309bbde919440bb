#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/digest.h"

namespace espalier::images {

// IDX files of unsigned bytes (MNIST's format), gzip'ed or not.
//   file   := 0x00 0x00 type rank size{rank} data
//   type   := 0x08 (unsigned byte; the only one read)
//   size   := big-endian u32, > 0
//   data   := product of sizes bytes, row-major, and nothing after them
// At most 8 GiB of data are read, and of a gzip'ed file at most 256 MiB or 256 times its own size, whichever is more.

// The rank that the header names, whatever else it says; 0 where the file is too short to have one.
std::size_t read_idx_rank(const std::filesystem::path& path);

// The sizes, of a rank from 1 to 4. Reads the header only. Throws DataError naming the file unless it has this rank, is a regular file, and
// can hold what the header promises.
std::vector<std::int64_t> read_idx_sizes(const std::filesystem::path& path, std::size_t rank);

// The data, uint8. Throws DataError on a wrong magic, a cut-off file or gzip stream, or bytes left over.
at::Tensor read_idx(const std::filesystem::path& path, std::size_t rank);

// Of sizes and data (read_idx's), the same whether the file is gzip'ed or not.
Hex digest_idx(const at::Tensor& data);

// folder/name or folder/name.gz. Throws DataError naming both when neither is there.
std::filesystem::path find_idx(const std::filesystem::path& folder, const std::string& name);

}  // namespace espalier::images
