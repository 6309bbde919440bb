#include "runtime/modelfile/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/errors.h"

namespace espalier::modelfile {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) { throw DataError(path.string() + ": " + what); }

}  // namespace

struct MappedFile::Identity {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec modified{};

  explicit Identity(const struct stat& status)
      : device(status.st_dev), inode(status.st_ino), size(status.st_size), modified(status.st_mtim) {}
  // Ignores the ctime, which a new link to the file changes (a cache publishes by link) without changing a byte.
  bool same_content(const Identity& other) const {
    return device == other.device && inode == other.inode && size == other.size && modified.tv_sec == other.modified.tv_sec &&
           modified.tv_nsec == other.modified.tv_nsec;
  }
};

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // does not wait for the writer of a pipe
  if (file->descriptor_ < 0) fail(path, std::string("cannot be read: ") + std::strerror(errno));
  struct stat status{};
  if (::fstat(file->descriptor_, &status) != 0) fail(path, std::string("cannot be read: ") + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "is no regular file");
  file->identity_ = std::make_unique<Identity>(status);
  file->size_ = static_cast<std::size_t>(status.st_size);
  if (file->size_ == 0) return file;
  void* const data = ::mmap(nullptr, file->size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file->descriptor_, 0);
  if (data == MAP_FAILED) fail(path, std::string("cannot be mapped: ") + std::strerror(errno));
  file->data_ = static_cast<char*>(data);
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void MappedFile::release(const void* begin, std::size_t size) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(begin) - data_);
  const auto first = (offset + page - 1) / page * page, last = (offset + size) / page * page;  // pages that hold nothing else
  if (first < last) ::madvise(data_ + first, last - first, MADV_DONTNEED);
}

void MappedFile::require_unchanged() const {
  struct stat mapped{}, there{};
  const bool read = ::fstat(descriptor_, &mapped) == 0;
  const bool found = ::stat(path_.c_str(), &there) == 0;
  if (read && found && identity_->same_content(Identity(mapped)) && identity_->same_content(Identity(there))) return;
  throw StageError(path_.string() +
                   ": the file of weights was changed, replaced or removed while it was in use; nothing that was made with it since is "
                   "kept: leave it as it is, and run the pipeline again");
}

}  // namespace espalier::modelfile
