#include "plugins/shared/layout/text_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <streambuf>
#include <string>

#include "plugins/shared/folder/files.h"
#include "runtime/base/errors.h"
#include "runtime/base/regular_file.h"

namespace espalier::layout {
namespace {

class GzipBuffer : public std::streambuf {
 public:
  explicit GzipBuffer(const std::filesystem::path& path) : path_(path.string()), file_(nullptr, gzclose) {
    const RegularFile regular(path);  // gzopen would wait for a pipe's writer
    limit_ = folder::unpacked_limit(regular.size());
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) throw DataError(path_ + ": cannot be opened: " + std::strerror(errno));
  }

 protected:
  int_type underflow() override {
    const int got = gzread(file_.get(), bytes_.data(), static_cast<unsigned>(bytes_.size()));
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      throw DataError(path_ + ": " + (code == Z_BUF_ERROR ? "the gzip stream is cut off" : message));
    }
    if (got == 0) return traits_type::eof();
    read_ += static_cast<std::uint64_t>(got);
    if (read_ > limit_ && gzdirect(file_.get()) == 0) {
      throw DataError(fmt::format("{}: unpacks to more than {} bytes, which a gzip'ed file of its size may not; unpack it to have it read",
                                  path_, limit_));
    }
    setg(bytes_.data(), bytes_.data(), bytes_.data() + got);
    return traits_type::to_int_type(bytes_.front());
  }

 private:
  std::string path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
  std::array<char, 65536> bytes_{};
  std::uint64_t read_ = 0, limit_ = 0;  // bytes unpacked, and the most that may be
};

class GzipStream : private GzipBuffer, public std::istream {
 public:
  explicit GzipStream(const std::filesystem::path& path) : GzipBuffer(path), std::istream(static_cast<GzipBuffer*>(this)) {
    exceptions(std::ios::badbit);  // hands the buffer's own exception on
  }
};

}  // namespace

std::unique_ptr<std::istream> open_text(const std::filesystem::path& path) { return std::make_unique<GzipStream>(path); }

}  // namespace espalier::layout
