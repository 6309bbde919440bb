#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "runtime/base/holder_lock.h"

namespace espalier {

// Excludes every other holder of the same lock file, in this process and in others, while it lives; a killed holder's is released. By
// flock(2), and by a HolderLock beside the file ("<path>.holder") where the file system lacks it.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);  // makes the file, waits; throws CacheError
  // Null while another holds it; `holder` then names the holder, "" where it is not known.
  static std::unique_ptr<FileLock> try_lock(const std::filesystem::path& path, std::string& holder);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock() = default;
  int lock(const std::filesystem::path& path, bool wait);  // 0, or -errno with nothing held

  int descriptor_ = -1;
  std::unique_ptr<HolderLock> instead_;
};

}  // namespace espalier
