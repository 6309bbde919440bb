#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cache/paths.h"
#include "runtime/cache/store.h"

namespace espalier::cache {

// What publishes one layer of a block: a file of the data counts only if a commit record names it.
struct CommitRecord {
  Hex set_id;
  Hex score_id;  // "" for trajectories
  CommitName name;
  std::vector<std::int64_t> steps;        // descending; none for scores
  std::int64_t count = 0;                 // samples
  std::optional<std::int64_t> nonfinite;  // of them, whose x_0 holds NaN or an infinity; none for scores, nor before it was counted
  std::string data_name;
  std::int64_t data_bytes = 0;
  Hex data_sha256;
  Hex sample_sha256;              // of indices, conditions and x_0; "" for scores
  std::int64_t committed_ns = 0;  // since 1970: of two layers with a step, the older one's is used
  Provenance provenance;
};

std::string write_commit(const CommitRecord& record);

// The record of the file `name` in `folder`. Throws DataError when it is damaged, or is another block's or folder's.
CommitRecord read_commit(std::string_view text, const BlockFolder& folder, const CommitName& name, const std::string& origin);

// The block that a file in first/ is of. Throws DataError where `name` is no such file's.
std::uint64_t first_number(const BlockFolder& folder, const std::string& name);

// The same for a block whose layer is read from the text alone.
CommitRecord read_first(std::string_view text, const BlockFolder& folder, std::uint64_t number, const std::string& origin);

}  // namespace espalier::cache
