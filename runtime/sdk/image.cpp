#include "runtime/sdk/image.h"

#include <png.h>

#include <array>
#include <csetjmp>
#include <cstring>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

constexpr std::uint32_t kMaxSide = 8192;

// libpng's state of writing; freed on every way out.
struct PngWriting {
  png_image state{};
  PngWriting() { state.version = PNG_IMAGE_VERSION; }
  PngWriting(const PngWriting&) = delete;
  PngWriting& operator=(const PngWriting&) = delete;
  ~PngWriting() { png_image_free(&state); }
};

struct PngReading {
  std::string_view bytes;  // what is not read yet
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::array<char, 256> message{};
};

struct Release {
  explicit Release(PngReading& reading) : reading_(reading) {}
  ~Release() { png_destroy_read_struct(&reading_.png, &reading_.info, nullptr); }
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;

 private:
  PngReading& reading_;
};

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto& kept = static_cast<PngReading*>(png_get_error_ptr(png))->message;
  std::strncpy(kept.data(), message, kept.size() - 1);
  png_longjmp(png, 1);
}

void ignore(png_structp, png_const_charp) {}  // about chunks that say nothing of the pixels

void take_bytes(png_structp png, png_bytep out, std::size_t size) {
  auto& rest = static_cast<PngReading*>(png_get_io_ptr(png))->bytes;
  if (size > rest.size()) png_error(png, "the file is cut off");
  std::memcpy(out, rest.data(), size);
  rest.remove_prefix(size);
}

// In these two no local has a destructor, so that libpng may longjmp out of them. False when it did: reading.message has the reason.
bool begin(PngReading& reading) {
  reading.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, fail, ignore);
  if (reading.png == nullptr) return false;
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  reading.info = png_create_info_struct(reading.png);
  png_set_read_fn(reading.png, &reading, take_bytes);
  png_set_benign_errors(reading.png, /*allowed=*/1);
  png_read_info(reading.png, reading.info);
  return true;
}

// As stored: 16 bits lose their lower 8, and no gamma is applied. A colour that tRNS names is transparent.
bool read_rows(PngReading& reading, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  png_set_expand(reading.png);
  png_set_strip_16(reading.png);
  png_set_gray_to_rgb(reading.png);
  png_set_add_alpha(reading.png, 0xff, PNG_FILLER_AFTER);
  png_set_interlace_handling(reading.png);
  png_read_update_info(reading.png, reading.info);
  png_read_image(reading.png, rows);
  return true;
}

}  // namespace

std::string encode_png(const Image& image) {
  if (image.width <= 0 || image.height <= 0 || image.width > kMaxSide || image.height > kMaxSide ||
      image.rgb.size() != static_cast<std::size_t>(3 * image.width * image.height)) {
    throw InternalError("an image of " + std::to_string(image.width) + " x " + std::to_string(image.height) + " with " +
                        std::to_string(image.rgb.size()) + " bytes cannot be written as PNG");
  }
  PngWriting writing;
  writing.state.width = static_cast<png_uint_32>(image.width);
  writing.state.height = static_cast<png_uint_32>(image.height);
  writing.state.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  const auto write = [&](void* memory) {
    if (!png_image_write_to_memory(&writing.state, memory, &size, 0, image.rgb.data(), 0, nullptr)) {
      throw InternalError(std::string("libpng cannot write an image: ") + writing.state.message);
    }
  };
  write(nullptr);  // gives the size
  std::string bytes(size, '\0');
  write(bytes.data());
  bytes.resize(size);
  return bytes;
}

Image decode_png(std::string_view bytes, const std::string& origin) {
  const auto refuse = [&](const std::string& what) { throw DataError(origin + ": " + what); };
  PngReading reading;
  reading.bytes = bytes;
  const Release release(reading);
  if (!begin(reading)) refuse(std::string("not a readable PNG: ") + reading.message.data());
  const auto width = std::size_t{png_get_image_width(reading.png, reading.info)};
  const auto height = std::size_t{png_get_image_height(reading.png, reading.info)};
  if (width > kMaxSide || height > kMaxSide) {
    refuse("the image is " + std::to_string(width) + " x " + std::to_string(height) + "; at most 8192 x 8192 is read");
  }
  std::vector<std::uint8_t> rgba(4 * width * height);
  std::vector<png_bytep> rows;
  for (std::size_t y = 0; y < height; ++y) rows.push_back(rgba.data() + 4 * width * y);
  if (!read_rows(reading, rows.data())) refuse(std::string("a damaged PNG: ") + reading.message.data());
  Image image{static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), {}};
  image.rgb.reserve(rgba.size() / 4 * 3);
  for (std::size_t pixel = 0; pixel < rgba.size(); pixel += 4) {
    const unsigned alpha = rgba[pixel + 3];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      image.rgb.push_back(static_cast<std::uint8_t>((rgba[pixel + channel] * alpha + 127) / 255));
    }
  }
  return image;
}

}  // namespace espalier
