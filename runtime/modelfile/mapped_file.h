#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>

namespace espalier::modelfile {

// A regular file's bytes in memory as the kernel pages them in; processes that map one file share its pages. What is written to them stays
// in this process. A file that is cut short while it is mapped ends the program at the next read of what is gone (cli/last_words.h says
// so); one that is replaced or written to is found by require_unchanged().
class MappedFile {
 public:
  // Throws DataError naming the path for what is no regular file or cannot be read.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string_view bytes() const { return {data_, size_}; }
  char* data() const { return data_; }

  // Gives the memory of these bytes back, which lie in the file and were not written to; the next read fetches them again.
  void release(const void* begin, std::size_t size) const;

  // Throws StageError where the file is no longer the one that was mapped: by device, inode, size and time of modification, of
  // the path and of what is mapped.
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
