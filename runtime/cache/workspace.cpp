#include "runtime/cache/workspace.h"

#include <system_error>

#include "runtime/base/files.h"

namespace espalier::cache {

Workspace::~Workspace() {
  std::error_code ignored;  // leftovers in tmp/ are harmless
  if (!own_.empty()) std::filesystem::remove_all(own_, ignored);
}

std::filesystem::path Workspace::fresh() {
  const std::lock_guard lock(mutex_);
  if (own_.empty()) {
    const auto folder = tmp_ / unique_name();
    make_folders(folder);
    own_ = folder;
  }
  return own_ / std::to_string(count_++);
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  make_folders(folder);
  lock_ = std::make_unique<FileLock>(folder / "lock");
}

std::unique_ptr<FolderLock> FolderLock::try_lock(const std::filesystem::path& folder, std::string& holder) {
  make_folders(folder);
  auto lock = FileLock::try_lock(folder / "lock", holder);
  return lock ? std::unique_ptr<FolderLock>(new FolderLock(std::move(lock))) : nullptr;
}

}  // namespace espalier::cache
