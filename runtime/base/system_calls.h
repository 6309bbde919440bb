#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

// The system calls of the publish and checkpoint paths, and nothing else: the one place where faults can be injected. Each repeats what was
// interrupted (EINTR) and returns 0 (or a descriptor) or -errno. Private to base.
namespace espalier::system_calls {

int open(const std::filesystem::path& path, int flags, unsigned mode = 0);
int close(int descriptor);  // closed whatever it returns
// One call; the bytes taken, which may be fewer than given, or -errno.
std::ptrdiff_t write(int descriptor, const char* data, std::size_t size);
int fsync(int descriptor);
int link(const std::filesystem::path& from, const std::filesystem::path& to);
int unlink(const std::filesystem::path& path);
int rename(const std::filesystem::path& from, const std::filesystem::path& to);
int rename_no_replace(const std::filesystem::path& from, const std::filesystem::path& to);  // -EEXIST if `to` exists in any form
int make_folder(const std::filesystem::path& path);
int lock(int descriptor, bool wait);  // flock(2), exclusive; without waiting -EWOULDBLOCK while another holds it

// Whether a result means that the file system lacks the call: BeeGFS, FUSE, exFAT and some NFS mounts lack one or another.
bool lacks_link(int result);  // between these two folders at least
bool lacks_rename_no_replace(int result);
bool lacks_lock(int result);
bool lacks_folder_fsync(int result);

}  // namespace espalier::system_calls
