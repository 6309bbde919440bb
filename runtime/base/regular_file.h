#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace espalier {

// A regular file, opened for reading. A pipe, a device or a directory is refused before any byte is read, so that nothing waits for a
// pipe's writer. Throws DataError naming the path.
class RegularFile {
 public:
  explicit RegularFile(const std::filesystem::path& path);
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;
  ~RegularFile();
  std::uint64_t size() const { return size_; }      // when it was opened; 0 of the files that the kernel makes up
  std::size_t read(char* bytes, std::size_t size);  // fewer than `size` at the file's end only

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace espalier
