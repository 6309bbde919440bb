#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>

namespace espalier::modelfile {

// A regular file's bytes in memory, as the kernel pages them in; processes that map the same file share its pages. Writes to the memory
// stay in this process. If a mapped file is truncated, the next read of the removed bytes ends the program (with the message of
// cli/last_words.h); require_unchanged() detects a file that was replaced or written to.
class MappedFile {
 public:
  // Throws DataError naming the path if it is not a regular file or cannot be read.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string_view bytes() const { return {data_, size_}; }
  char* data() const { return data_; }

  // Releases the memory of these bytes, which must be in the file and not written to; the next read fetches them again.
  void release(const void* begin, std::size_t size) const;

  // Throws StageError if the path or the open file no longer has the device, inode, size and modification time that the file had when it
  // was mapped.
  void require_unchanged() const;

 private:
  MappedFile() = default;
  struct Identity;
  std::filesystem::path path_;
  std::unique_ptr<Identity> identity_;
  int descriptor_ = -1;
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace espalier::modelfile
