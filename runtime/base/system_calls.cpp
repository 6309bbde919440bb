#include "runtime/base/system_calls.h"

#include <fcntl.h>
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

int rename_to_absent(const std::filesystem::path& from, const std::filesystem::path& to) {
  const int result = repeated([&] { return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE); });
  if (result != -EINVAL && result != -ENOSYS) return result;
  // A file system without the flag: rename() itself refuses a folder that is not empty, and published folders never are.
  const int plain = system_calls::rename(from, to);
  return plain == -ENOTEMPTY ? -EEXIST : plain;
}

int make_folder(const std::filesystem::path& path) {
  return repeated([&] { return ::mkdir(path.c_str(), 0777); });
}

}  // namespace espalier::system_calls
