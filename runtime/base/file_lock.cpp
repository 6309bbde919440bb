#include "runtime/base/file_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/errors.h"
#include "runtime/base/system_calls.h"

namespace espalier {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int result) {
  throw CacheError(path.string() + ": cannot be locked: " + std::strerror(-result));
}

std::filesystem::path beside(const std::filesystem::path& path) { return path.string() + ".holder"; }

}  // namespace

int FileLock::lock(const std::filesystem::path& path, bool wait) {
  descriptor_ = system_calls::open(path, O_RDWR | O_CREAT, 0666);
  if (descriptor_ < 0) return descriptor_;
  const int locked = system_calls::lock(descriptor_, wait);
  if (locked == 0) return 0;
  system_calls::close(descriptor_);
  descriptor_ = -1;
  return locked;
}

FileLock::FileLock(const std::filesystem::path& path) {
  const int locked = lock(path, /*wait=*/true);
  if (system_calls::lacks_lock(locked)) {
    instead_ = std::make_unique<HolderLock>(beside(path));
  } else if (locked < 0) {
    fail(path, locked);
  }
}

std::unique_ptr<FileLock> FileLock::try_lock(const std::filesystem::path& path, std::string& holder) {
  std::unique_ptr<FileLock> held(new FileLock);
  const int locked = held->lock(path, /*wait=*/false);
  if (locked == 0) return held;
  if (locked == -EWOULDBLOCK) return nullptr;
  if (!system_calls::lacks_lock(locked)) fail(path, locked);
  held->instead_ = HolderLock::try_lock(beside(path), holder);
  return held->instead_ ? std::move(held) : nullptr;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) system_calls::close(descriptor_);
}

}  // namespace espalier
