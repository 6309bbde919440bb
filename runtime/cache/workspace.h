#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

namespace espalier::cache {

// A process's own folder under tmp/, made when first needed and removed at the end. What a killed process leaves is nobody's.
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

// Excludes every other holder of the same path, in this process and in others, while it lives; a killed holder's is released. Moves
// into quarantine and training (whose checkpoints are one process's) take it: publishing needs no lock.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);                          // makes the folder, waits; throws CacheError
  static std::unique_ptr<FolderLock> try_lock(const std::filesystem::path& folder);  // null while another holds it
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  FolderLock(const std::filesystem::path& folder, int operation);
  bool locked_ = false;
  int descriptor_ = -1;
};

}  // namespace espalier::cache
