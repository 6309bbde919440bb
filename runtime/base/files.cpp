#include "runtime/base/files.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "runtime/base/errors.h"
#include "runtime/base/regular_file.h"
#include "runtime/base/system_calls.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunk = 65536;

std::string room_left(const fs::path& path) {
  try {
    return "; " + std::to_string(free_bytes(path)) + " bytes are free";
  } catch (const Error&) {
    return "";
  }
}

// `result` is 0 or more, or -errno.
void check(std::ptrdiff_t result, const fs::path& path, const char* what) {
  if (result >= 0) return;
  const int reason = static_cast<int>(-result);
  std::string message = path.string() + ": cannot " + what + ": " + std::strerror(reason);
  if (reason == ENOSPC || reason == EDQUOT) message += room_left(path);
  throw CacheError(message);
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, unsigned mode, const char* what)
      : path_(path), value_(system_calls::open(path, flags, mode)) {
    check(value_, path, what);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) system_calls::close(value_);
  }
  int get() const { return value_; }
  void write_all(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto taken = system_calls::write(value_, bytes.data(), bytes.size());
      check(taken, path_, "write");
      bytes.remove_prefix(static_cast<std::size_t>(taken));
    }
  }
  void sync() const { check(system_calls::fsync(value_), path_, "make durable (fsync)"); }
  // A file system without fsync of folders (CIFS, some FUSE) calls the request invalid: it keeps names in its own way.
  void sync_entries() const {
    const int result = system_calls::fsync(value_);
    if (!system_calls::lacks_folder_fsync(result)) check(result, path_, "make durable (fsync)");
  }
  void close() {  // network file systems report a failed write here
    const int closed = system_calls::close(value_);
    value_ = -1;
    check(closed, path_, "close");
  }

 private:
  const fs::path& path_;
  int value_;
};

// The folder and every folder beneath: their entries, not their files.
void sync_folders(const fs::path& path) {
  std::error_code error;
  fs::recursive_directory_iterator entries(path, error);
  if (error) throw CacheError(path.string() + ": cannot be listed: " + error.message());
  for (const auto& entry : entries) {
    if (entry.is_directory() && !entry.is_symlink()) sync_folder(entry.path());
  }
  sync_folder(path);
}

// `from` is a folder that is not empty, or no other process uses the name `to`. Where RENAME_NOREPLACE is lacking, rename() itself refuses
// to replace a folder that is not empty, and no published folder is empty.
int rename_to_absent(const fs::path& from, const fs::path& to) {
  const int result = system_calls::rename_no_replace(from, to);
  if (!system_calls::lacks_rename_no_replace(result)) return result;
  const int plain = system_calls::rename(from, to);
  return plain == -ENOTEMPTY ? -EEXIST : plain;
}

void remove_source(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw CacheError(path.string() + ": cannot be removed: " + error.message());
}

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t limit) {
  RegularFile file(path);
  const auto check_size = [&](std::uint64_t size) {
    if (size > limit)
      throw DataError(path.string() + ": has " + std::to_string(size) + " bytes or more, at most " + std::to_string(limit) +
                      " belong there");
  };
  check_size(file.size());
  std::string bytes;
  // Read beyond the size too: a file may grow, and files that the kernel generates report a size of 0.
  for (auto part = static_cast<std::size_t>(file.size()) + 1;; part = kChunk) {
    const auto before = bytes.size();
    bytes.resize(before + part);
    const auto count = file.read(bytes.data() + before, part);
    bytes.resize(before + count);
    check_size(bytes.size());
    if (count < part) return bytes;
  }
}

void make_folders(const fs::path& path) {
  if (path.empty() || fs::is_directory(path)) return;
  make_folders(path.has_filename() ? path.parent_path() : path.parent_path().parent_path());
  const int made = system_calls::make_folder(path);
  if (made == -EEXIST && fs::is_directory(path)) return;  // another process was faster
  check(made, path, "make the folder");
  sync_folder(folder_of(path));
}

void write_durable(const fs::path& path, std::string_view bytes, unsigned mode) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL, mode, "make the file");
  try {
    file.write_all(bytes);
    file.sync();
    file.close();
  } catch (...) {
    system_calls::unlink(path);  // a part of a file is useless
    throw;
  }
}

void sync_file(const fs::path& path) {
  Descriptor file(path, O_RDONLY, 0, "open");
  file.sync();
  file.close();
}

void sync_folder(const fs::path& path) {
  Descriptor folder(path, O_RDONLY | O_DIRECTORY, 0, "open");
  folder.sync_entries();
  folder.close();
}

bool publish_file(const fs::path& from, const fs::path& to) {
  int published = system_calls::link(from, to);
  const bool moved = system_calls::lacks_link(published);
  if (moved) published = system_calls::rename_no_replace(from, to);
  if (published != -EEXIST) {
    check(published, to, moved ? "publish (rename, for want of links)" : "publish (link)");
    sync_folder(folder_of(to));
    if (moved) return true;  // the rename removed the source
  }
  check(system_calls::unlink(from), from, "remove");
  return published == 0;
}

bool publish_folder(const fs::path& from, const fs::path& to) {
  sync_folders(from);
  const int renamed = rename_to_absent(from, to);
  if (renamed == -EEXIST) {
    remove_source(from);
    return false;
  }
  check(renamed, to, "publish (rename)");
  sync_folder(folder_of(to));
  return true;
}

bool move_aside(const fs::path& from, const fs::path& to) {
  const int renamed = rename_to_absent(from, to);
  if (renamed == -ENOENT && !fs::exists(fs::symlink_status(from))) return false;
  check(renamed, from, "move aside (rename)");
  sync_folder(folder_of(from));
  sync_folder(folder_of(to));
  return true;
}

void replace_file(const fs::path& path, std::string_view bytes) {
  const fs::path aside = folder_of(path) / ("." + path.filename().string() + "." + unique_name());
  write_durable(aside, bytes, 0644);
  if (const int renamed = system_calls::rename(aside, path); renamed != 0) {
    system_calls::unlink(aside);
    check(renamed, path, "replace (rename)");
  }
  sync_folder(folder_of(path));
}

std::string unique_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) throw InternalError(std::string("gethostname: ") + std::strerror(errno));
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) throw InternalError(std::string("getrandom: ") + std::strerror(errno));
  std::array<char, 17> random{};
  std::snprintf(random.data(), random.size(), "%016llx", static_cast<unsigned long long>(number));
  const auto boot = read_file("/proc/sys/kernel/random/boot_id").substr(0, 8);
  return std::string(host.data()) + "-" + boot + "-" + std::to_string(::getpid()) + "-" + random.data();
}

std::uint64_t free_bytes(const fs::path& path) {
  fs::path existing = fs::absolute(path);
  while (!fs::exists(existing) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs info{};
  if (::statvfs(existing.c_str(), &info) != 0)
    throw CacheError(existing.string() + ": its free space cannot be read: " + std::strerror(errno));
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

}  // namespace espalier
