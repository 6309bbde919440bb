#include "runtime/base/picture.h"

#include <png.h>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

constexpr std::uint32_t kMaxSide = 8192;

// libpng's reading and writing state; freed on every way out.
struct Image {
  png_image state{};
  Image() { state.version = PNG_IMAGE_VERSION; }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  ~Image() { png_image_free(&state); }
};

}  // namespace

std::string encode_png(const Picture& picture) {
  if (picture.width <= 0 || picture.height <= 0 || picture.width > kMaxSide || picture.height > kMaxSide ||
      picture.rgb.size() != static_cast<std::size_t>(3 * picture.width * picture.height)) {
    throw InternalError("a picture of " + std::to_string(picture.width) + " x " + std::to_string(picture.height) + " with " +
                        std::to_string(picture.rgb.size()) + " bytes cannot be written as PNG");
  }
  Image image;
  image.state.width = static_cast<png_uint_32>(picture.width);
  image.state.height = static_cast<png_uint_32>(picture.height);
  image.state.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  const auto write = [&](void* memory) {
    if (!png_image_write_to_memory(&image.state, memory, &size, 0, picture.rgb.data(), 0, nullptr)) {
      throw InternalError(std::string("libpng cannot write a picture: ") + image.state.message);
    }
  };
  write(nullptr);  // asks for the size
  std::string bytes(size, '\0');
  write(bytes.data());
  bytes.resize(size);
  return bytes;
}

Picture decode_png(std::string_view bytes, const std::string& origin) {
  Image image;
  const auto fail = [&](const std::string& what) { throw DataError(origin + ": " + what); };
  if (!png_image_begin_read_from_memory(&image.state, bytes.data(), bytes.size())) {
    fail(std::string("not a readable PNG: ") + image.state.message);
  }
  if (image.state.width > kMaxSide || image.state.height > kMaxSide) {
    fail("the picture is " + std::to_string(image.state.width) + " x " + std::to_string(image.state.height) +
         "; at most 8192 x 8192 is read");
  }
  image.state.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // else 16-bit files without a gamma are taken for linear light
  image.state.format = PNG_FORMAT_RGBA;
  std::vector<std::uint8_t> rgba(PNG_IMAGE_SIZE(image.state));
  if (!png_image_finish_read(&image.state, nullptr, rgba.data(), 0, nullptr)) {
    fail(std::string("a damaged PNG: ") + image.state.message);
  }
  Picture picture{image.state.width, image.state.height, {}};
  picture.rgb.reserve(rgba.size() / 4 * 3);
  for (std::size_t pixel = 0; pixel < rgba.size(); pixel += 4) {
    const unsigned alpha = rgba[pixel + 3];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      picture.rgb.push_back(static_cast<std::uint8_t>((rgba[pixel + channel] * alpha + 127) / 255));
    }
  }
  return picture;
}

}  // namespace espalier
