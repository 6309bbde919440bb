#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace espalier {

// Every system call of the publish and checkpoint paths goes through here. Failures throw CacheError with the path, the reason and, when
// the disk is full, the free space.

inline constexpr std::uint64_t kAnySize = UINT64_MAX;

// A regular file's bytes. Throws DataError for anything else (a pipe, a directory), and for a file of more than `limit` bytes before it is
// read: pass a limit for a file from an unknown source.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = kAnySize);
void make_folders(const std::filesystem::path& path);  // mkdir -p, each new level made durable

// Writes and fsyncs a new file (O_EXCL) of `mode`.
void write_durable(const std::filesystem::path& path, std::string_view bytes, unsigned mode = 0444);
void sync_file(const std::filesystem::path& path);
void sync_folder(const std::filesystem::path& path);

// put-if-absent: link(2), then fsync of the folder. False if `to` exists already (the other won); the source is removed either way.
bool publish_file(const std::filesystem::path& from, const std::filesystem::path& to);

// The same for a folder whose files are all durable: rename onto an absent name. False if `to` exists already; the source is removed.
bool publish_folder(const std::filesystem::path& from, const std::filesystem::path& to);

// A file or folder moved to an absent name of the same file system, both folders made durable. False if `from` is not there.
bool move_aside(const std::filesystem::path& from, const std::filesystem::path& to);

// A file only this process reads: written aside and renamed over the old one (reports, memos).
void replace_file(const std::filesystem::path& path, std::string_view bytes);

// "<host>-<boot>-<pid>-<random>", unlike any other process's.
std::string unique_name();

std::uint64_t free_bytes(const std::filesystem::path& path);

}  // namespace espalier
