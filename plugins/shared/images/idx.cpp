#include "plugins/shared/images/idx.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "plugins/shared/folder/files.h"
#include "runtime/base/errors.h"
#include "runtime/base/regular_file.h"

namespace espalier::images {
namespace {

constexpr std::int64_t kLargest = std::int64_t{8} << 30;  // bytes of data
constexpr std::size_t kChunk = std::size_t{1} << 20;

// Reads plain and gzip'ed files alike.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path), file_(nullptr, gzclose) {
    const RegularFile regular(path);  // gzopen would wait for a pipe's writer
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) throw DataError(path_.string() + ": cannot be opened: " + std::strerror(errno));
  }

  // As many bytes as there are, up to `size`.
  std::size_t read(std::uint8_t* out, std::size_t size) {
    const int got = gzread(file_.get(), out, static_cast<unsigned>(size));
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      const std::string reason = code == Z_BUF_ERROR ? "the gzip stream is cut off" : message;
      throw DataError(path_.string() + ": " + reason);
    }
    return static_cast<std::size_t>(got);
  }

  std::size_t rank() {
    std::array<std::uint8_t, 4> magic{};
    return read(magic.data(), magic.size()) == magic.size() ? magic.back() : 0;
  }

  std::vector<std::int64_t> sizes(std::size_t rank) {
    std::array<std::uint8_t, 4 + 4 * 4> header{};
    const std::size_t length = 4 + 4 * rank;
    const std::size_t got = read(header.data(), length);
    const std::array<std::uint8_t, 4> magic = {0, 0, 8, static_cast<std::uint8_t>(rank)};
    if (got < 4 || !std::equal(magic.begin(), magic.end(), header.begin())) {
      throw DataError(fmt::format("{}: no IDX file of {} dimensions of bytes: starts with {:02x}{:02x}{:02x}{:02x}, not 0000{:02x}{:02x}",
                                  path_.string(), rank, header[0], header[1], header[2], header[3], magic[2], magic[3]));
    }
    if (got < length) throw DataError(fmt::format("{}: ends inside its header, after {} bytes", path_.string(), got));
    std::vector<std::int64_t> sizes;
    std::int64_t total = 1;
    for (std::size_t d = 0; d < rank; ++d) {
      const std::uint8_t* byte = header.data() + 4 + 4 * d;
      const std::int64_t size = std::int64_t{byte[0]} << 24 | std::int64_t{byte[1]} << 16 | std::int64_t{byte[2]} << 8 | byte[3];
      if (size == 0 || size > kLargest / total) {
        throw DataError(fmt::format("{}: dimension {} has size {}: the data would hold {}", path_.string(), d, size,
                                    size == 0 ? "nothing" : fmt::format("more than {} bytes", kLargest)));
      }
      total *= size;
      sizes.push_back(size);
    }
    check_length(static_cast<std::int64_t>(length), total);
    return sizes;
  }

  [[noreturn]] void fail_short(std::int64_t found, std::int64_t total) const {
    throw DataError(fmt::format("{}: ends after {} of the {} bytes its header promises", path_.string(), found, total));
  }
  [[noreturn]] void fail_long(std::int64_t total) const {
    throw DataError(fmt::format("{}: goes on after the {} bytes its header promises", path_.string(), total));
  }

 private:
  // Before any data is read: whether the file can hold `total` bytes of it after its header.
  void check_length(std::int64_t header, std::int64_t total) const {
    const auto length = static_cast<std::int64_t>(std::filesystem::file_size(path_));
    if (gzdirect(file_.get()) != 0) {
      if (length < header + total) fail_short(length - header, total);
      if (length > header + total) fail_long(total);
    } else if (const auto limit = folder::unpacked_limit(static_cast<std::uint64_t>(length)); static_cast<std::uint64_t>(total) > limit) {
      throw DataError(fmt::format("{}: its header promises {} bytes; a gzip'ed file of {} may unpack to {}; unpack it to have it read",
                                  path_.string(), total, length, limit));
    }
  }

  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

}  // namespace

std::size_t read_idx_rank(const std::filesystem::path& path) { return Reader(path).rank(); }

std::vector<std::int64_t> read_idx_sizes(const std::filesystem::path& path, std::size_t rank) { return Reader(path).sizes(rank); }

at::Tensor read_idx(const std::filesystem::path& path, std::size_t rank) {
  Reader reader(path);
  const std::vector<std::int64_t> sizes = reader.sizes(rank);
  at::Tensor tensor = at::empty(sizes, at::kByte);  // the system gives its pages as they are filled
  const auto total = static_cast<std::size_t>(tensor.numel());
  auto* data = tensor.data_ptr<std::uint8_t>();
  for (std::size_t at = 0; at < total;) {
    const std::size_t wanted = std::min(kChunk, total - at), got = reader.read(data + at, wanted);
    at += got;
    if (got < wanted) reader.fail_short(static_cast<std::int64_t>(at), tensor.numel());
  }
  std::uint8_t rest = 0;
  if (reader.read(&rest, 1) != 0) reader.fail_long(tensor.numel());
  return tensor;
}

Hex digest_idx(const at::Tensor& data) {
  Sha256 digest;
  for (const std::int64_t size : data.sizes()) digest.update(std::to_string(size) + ",");
  digest.update(data.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(data.numel()));
  return digest.finish_hex();
}

std::filesystem::path find_idx(const std::filesystem::path& folder, const std::string& name) {
  for (const std::filesystem::path& path : {folder / name, folder / (name + ".gz")}) {
    if (std::filesystem::is_regular_file(path)) return path;
  }
  throw DataError((folder / name).string() + ": no such file, nor " + name + ".gz beside it");
}

}  // namespace espalier::images
