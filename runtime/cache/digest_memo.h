#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "runtime/base/digest.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::cache {

// Remembers files' SHA-256, and other digests of what they hold, by (device, inode, size, mtime, ctime), so that a large model is hashed
// once and not by every run. Only an optimisation: the file it keeps may be deleted at any time, and one that is damaged counts as absent.
// Any thread.
class DigestMemo final : public RememberedDigests {
 public:
  explicit DigestMemo(std::filesystem::path file) : file_(std::move(file)) {}
  Hex digest(const std::filesystem::path& path);  // throws DataError when the file cannot be read
  Hex of(const std::filesystem::path& file, const std::string& what, const std::function<Hex()>& compute) override;
  void save();  // merges what was learned into the file; never throws

 private:
  std::map<std::string, Hex> load() const;
  std::mutex mutex_;
  std::filesystem::path file_;
  bool loaded_ = false;
  std::map<std::string, Hex> known_;
  std::map<std::string, Hex> learned_;
};

}  // namespace espalier::cache
