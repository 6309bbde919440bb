#include "runtime/base/file_system.h"

#include <fcntl.h>

#include <system_error>

#include "runtime/base/system_calls.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

// 0, or the errno.
int errno_of(int result) { return result < 0 ? -result : 0; }

// Of a call on a folder or file opened for it.
template <class Call>
int with_descriptor(const fs::path& path, int flags, Call call) {
  const int descriptor = system_calls::open(path, flags, 0644);
  if (descriptor < 0) return -descriptor;
  const int result = call(descriptor);
  system_calls::close(descriptor);
  return errno_of(result);
}

int make(const fs::path& from, const fs::path& to, const fs::path& file) {
  for (const auto& folder : {from.parent_path(), from, to}) {
    if (const int made = system_calls::make_folder(folder); made != 0) return -made;
  }
  return with_descriptor(file, O_WRONLY | O_CREAT | O_EXCL, [](int) { return 0; });
}

}  // namespace

bool FileSystemAbilities::can_publish() const {
  return !system_calls::lacks_link(-link) || !system_calls::lacks_rename_no_replace(-rename_no_replace);
}

FileSystemAbilities examine_file_system(const fs::path& scratch) {
  FileSystemAbilities found;
  const auto from = scratch / "from", to = scratch / "to", file = from / "file";
  found.make_files = make(from, to, file);
  if (found.make_files == 0) {
    found.lock = with_descriptor(file, O_RDWR, [](int descriptor) { return system_calls::lock(descriptor, /*wait=*/false); });
    found.folder_fsync = with_descriptor(to, O_RDONLY | O_DIRECTORY, [](int descriptor) { return system_calls::fsync(descriptor); });
    found.link = errno_of(system_calls::link(file, to / "linked"));
    found.rename_no_replace = errno_of(system_calls::rename_no_replace(file, to / "renamed"));
  }
  std::error_code ignored;  // a leftover is an empty file or two
  fs::remove_all(scratch, ignored);
  return found;
}

}  // namespace espalier
