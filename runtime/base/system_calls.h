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
int rename_to_absent(const std::filesystem::path& from, const std::filesystem::path& to);  // -EEXIST if `to` exists in any form
int make_folder(const std::filesystem::path& path);

}  // namespace espalier::system_calls
