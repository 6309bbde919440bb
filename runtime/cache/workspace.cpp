#include "runtime/cache/workspace.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::cache {

Workspace::~Workspace() {
  std::error_code ignored;  // what stays behind in tmp/ harms nobody
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

FolderLock::FolderLock(const std::filesystem::path& folder) : FolderLock(folder, LOCK_EX) {}

FolderLock::FolderLock(const std::filesystem::path& folder, int operation) {
  make_folders(folder);
  const auto path = folder / "lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  int result = -1;
  if (descriptor_ >= 0) {
    do {
      result = ::flock(descriptor_, operation);
    } while (result != 0 && errno == EINTR);
  }
  locked_ = result == 0;
  if (locked_ || (descriptor_ >= 0 && errno == EWOULDBLOCK)) return;
  const std::string reason = std::strerror(errno);
  if (descriptor_ >= 0) ::close(descriptor_);
  throw CacheError(path.string() + ": cannot be locked: " + reason);
}

std::unique_ptr<FolderLock> FolderLock::try_lock(const std::filesystem::path& folder) {
  std::unique_ptr<FolderLock> lock(new FolderLock(folder, LOCK_EX | LOCK_NB));
  if (!lock->locked_) lock.reset();
  return lock;
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace espalier::cache
