#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "runtime/base/remembered_digests.h"

namespace espalier::cache {

// Remembered digests in a file (digests.json of a cache). Only an optimisation: the file may be deleted at any time, and one that is
// damaged counts as absent. A file whose bytes rot keeps its identity: no digest from here may stand for bytes that are used. Any thread.
class DigestMemo final : public RememberedDigests {
 public:
  explicit DigestMemo(std::filesystem::path file) : file_(std::move(file)) {}
  // Throws DataError when `file` cannot be examined, and what `compute` throws.
  Hex of(const std::filesystem::path& file, const std::string& what, const std::function<Hex()>& compute) override;
  void save();                          // merges what was learned into the file; never throws
  std::uint64_t learned_bytes() const;  // of the files whose digests were computed and are not saved yet

 private:
  std::map<std::string, Hex> load() const;
  mutable std::mutex mutex_;
  std::filesystem::path file_;
  bool loaded_ = false;
  std::map<std::string, Hex> known_;
  std::map<std::string, Hex> learned_;
  std::uint64_t learned_bytes_ = 0;
};

}  // namespace espalier::cache
