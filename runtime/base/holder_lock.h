#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace espalier {

// A lock for file systems without flock(2): a file that names its holder, published put-if-absent and removed at the end. The file of a
// dead holder is replaced: one of this machine whose process is gone (or whose process id is another process's now), or that it had before
// it was started anew. A holder on another machine, or in another container, cannot be checked from here.
class HolderLock {
 public:
  // Waits until a living holder is done; for one that cannot be checked from here at most `patience`, then throws CacheError with the
  // command that removes the file.
  explicit HolderLock(const std::filesystem::path& path, std::chrono::milliseconds patience = std::chrono::minutes(1));
  // Null while another holds it; `holder` then names the holder.
  static std::unique_ptr<HolderLock> try_lock(const std::filesystem::path& path, std::string& holder);
  ~HolderLock();
  HolderLock(const HolderLock&) = delete;
  HolderLock& operator=(const HolderLock&) = delete;

 private:
  enum class Outcome { taken, held, held_elsewhere };
  HolderLock() = default;
  Outcome attempt(std::string& holder);

  std::filesystem::path path_;
  bool taken_ = false;
};

}  // namespace espalier
