#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/base/file_lock.h"

namespace espalier::cache {

// A process's own folder under tmp/, made when first needed and removed at the end. What a killed process leaves belongs to no process.
class Workspace {
 public:
  explicit Workspace(std::filesystem::path tmp) : tmp_(std::move(tmp)) {}
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  std::filesystem::path fresh();  // an absent path in it; any thread

 private:
  std::mutex mutex_;
  std::filesystem::path tmp_;
  std::filesystem::path own_;
  std::uint64_t count_ = 0;
};

// A folder's FileLock, "lock". Moves into quarantine and training (whose checkpoints are one process's) take it: publishing needs no lock.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);  // makes the folder, waits; throws CacheError
  // Null while another holds it; `holder` then names the holder, "" where it is not known.
  static std::unique_ptr<FolderLock> try_lock(const std::filesystem::path& folder, std::string& holder);

 private:
  explicit FolderLock(std::unique_ptr<FileLock> lock) : lock_(std::move(lock)) {}
  std::unique_ptr<FileLock> lock_;
};

}  // namespace espalier::cache
