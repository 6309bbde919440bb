#include "plugins/shared/images/image_file.h"

#include <array>
#include <fstream>
#include <optional>
#include <string_view>

#include "plugins/shared/images/jpeg.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/regular_file.h"

namespace espalier::images {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPngStart("\x89PNG\r\n\x1a\n", 8), kJpegStart("\xff\xd8\xff", 3);
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 30;  // more than 8192 x 8192 pixels of 16 bits, uncompressed

// `size` bytes at the stream's place as a big-endian number; nothing at the file's end.
std::optional<std::int64_t> number(std::istream& in, int size) {
  std::int64_t value = 0;
  for (int i = 0; i < size; ++i) {
    const int byte = in.get();
    if (byte < 0) return std::nullopt;
    value = value << 8 | byte;
  }
  return value;
}

// file := signature{8} length{4} "IHDR" width{u32, big-endian} height{u32} depth{1} colour_type{1} ...
std::optional<ImageHeader> png_header(std::istream& in) {
  constexpr int kGrey = 0, kGreyWithAlpha = 4;
  std::array<char, 8> start{};
  in.read(start.data(), start.size());
  if (std::string_view(start.data(), start.size()) != std::string_view("\0\0\0\x0dIHDR", 8)) return std::nullopt;
  const auto width = number(in, 4), height = number(in, 4), depth = number(in, 1), type = number(in, 1);
  if (!width || !height || !depth || !type) return std::nullopt;
  return ImageHeader{*width, *height, *type == kGrey || *type == kGreyWithAlpha};
}

// file := 0xff 0xd8 segment*;  segment := 0xff+ marker length{u16, itself included} data.  The frame header is marker c0 .. cf but c4, c8
// and cc: precision{1} height{u16} width{u16} components{1} ...
std::optional<ImageHeader> jpeg_header(std::istream& in) {
  for (;;) {
    if (in.get() != 0xff) return std::nullopt;
    int marker = 0xff;
    while (marker == 0xff) marker = in.get();
    const auto length = number(in, 2);
    if (marker < 0 || !length || *length < 2) return std::nullopt;
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) break;
    if (marker == 0xda || marker == 0xd9) return std::nullopt;  // the image itself, or the end, and no frame header before
    in.seekg(*length - 2, std::ios::cur);
  }
  const auto precision = number(in, 1), height = number(in, 2), width = number(in, 2), components = number(in, 1);
  if (!precision || !height || !width || !components) return std::nullopt;
  return ImageHeader{*width, *height, *components == 1};
}

}  // namespace

ImageHeader read_image_header(const fs::path& path) {
  const RegularFile regular(path);  // a stream would wait for a pipe's writer
  std::ifstream in(path, std::ios::binary);
  std::array<char, 8> start{};
  in.read(start.data(), start.size());
  const std::string_view bytes(start.data(), start.size());
  std::optional<ImageHeader> header;
  const bool png = bytes == kPngStart, jpeg = bytes.starts_with(kJpegStart);
  if (png) header = png_header(in);
  if (jpeg) {
    in.clear();
    in.seekg(2);
    header = jpeg_header(in);
  }
  if (!png && !jpeg) throw DataError(path.string() + ": no PNG or JPEG file");
  if (!header) throw DataError(path.string() + ": a damaged " + (png ? "PNG" : "JPEG") + ": no header gives its size");
  return *header;
}

Image read_image(const fs::path& path) {
  const std::string bytes = read_file(path, kLargestFile);
  if (bytes.starts_with(kJpegStart)) return decode_jpeg(bytes, path.string());
  if (bytes.starts_with(kPngStart)) return decode_png(bytes, path.string());
  throw DataError(path.string() + ": no PNG or JPEG file");
}

Hex digest_pixels(const Image& image) {
  Sha256 digest;
  digest.update(std::to_string(image.width) + "x" + std::to_string(image.height) + ":");
  digest.update(image.rgb.data(), image.rgb.size());
  return digest.finish_hex();
}

Hex pixel_digest(const fs::path& path, RememberedDigests* remembered) {
  const auto compute = [&path] { return digest_pixels(read_image(path)); };
  return remembered == nullptr ? compute() : remembered->of(path, "pixels, " + jpeg_version(), compute);
}

}  // namespace espalier::images
