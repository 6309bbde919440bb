#include "runtime/base/system_calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace espalier::system_calls {
namespace {

template <class Call>
auto repeated(Call call) -> decltype(call()) {
  while (true) {
    const auto result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

int open(const std::filesystem::path& path, int flags, unsigned mode) {
  return repeated([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
}

int close(int descriptor) {
  // On Linux the descriptor is gone even when interrupted; closing again could close another thread's.
  return ::close(descriptor) == 0 || errno == EINTR ? 0 : -errno;
}

std::ptrdiff_t write(int descriptor, const char* data, std::size_t size) {
  return repeated([&] { return ::write(descriptor, data, size); });
}

int fsync(int descriptor) {
  return repeated([&] { return ::fsync(descriptor); });
}

int link(const std::filesystem::path& from, const std::filesystem::path& to) {
  return repeated([&] { return ::link(from.c_str(), to.c_str()); });
}

int unlink(const std::filesystem::path& path) {
  return repeated([&] { return ::unlink(path.c_str()); });
}

int rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  return repeated([&] { return ::rename(from.c_str(), to.c_str()); });
}

int rename_no_replace(const std::filesystem::path& from, const std::filesystem::path& to) {
  return repeated([&] { return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE); });
}

int make_folder(const std::filesystem::path& path) {
  return repeated([&] { return ::mkdir(path.c_str(), 0777); });
}

int lock(int descriptor, bool wait) {
  return repeated([&] { return ::flock(descriptor, wait ? LOCK_EX : LOCK_EX | LOCK_NB); });
}

bool lacks_link(int result) {
  return result == -EPERM || result == -EOPNOTSUPP || result == -ENOSYS || result == -EMLINK || result == -EXDEV;
}

bool lacks_rename_no_replace(int result) { return result == -EINVAL || result == -ENOSYS || result == -EOPNOTSUPP; }
bool lacks_lock(int result) { return result == -ENOLCK || result == -ENOSYS || result == -EOPNOTSUPP; }
bool lacks_folder_fsync(int result) { return result == -EINVAL || result == -ENOSYS || result == -EOPNOTSUPP; }

}  // namespace espalier::system_calls
