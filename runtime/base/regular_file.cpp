#include "runtime/base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/errors.h"
#include "runtime/base/system_calls.h"

namespace espalier {
namespace {

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  return S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

RegularFile::RegularFile(const std::filesystem::path& path) : path_(path) {
  const auto fail = [&](const std::string& what) {
    if (descriptor_ >= 0) system_calls::close(descriptor_);
    throw DataError(path.string() + ": " + what);
  };
  descriptor_ = system_calls::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);  // a pipe without a writer would block
  if (descriptor_ < 0) fail(std::string("cannot be opened: ") + std::strerror(-descriptor_));
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) fail(std::string("cannot be examined: ") + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(std::string("is ") + kind_of(status.st_mode) + ", not a regular file");
  size_ = static_cast<std::uint64_t>(status.st_size);
}

RegularFile::~RegularFile() { system_calls::close(descriptor_); }

std::size_t RegularFile::read(char* bytes, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const auto count = ::read(descriptor_, bytes + done, size - done);
    if (count == 0) break;
    if (count < 0 && errno != EINTR) throw DataError(path_.string() + ": cannot be read: " + std::strerror(errno));
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return done;
}

}  // namespace espalier
