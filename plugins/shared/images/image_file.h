#pragma once

#include <cstdint>
#include <filesystem>

#include "runtime/base/digest.h"
#include "runtime/base/remembered_digests.h"
#include "runtime/sdk/image.h"

// One image file, PNG or JPEG by its first bytes, whatever its name says.
namespace espalier::images {

// What a file's header says.
struct ImageHeader {
  std::int64_t width = 0, height = 0;
  bool grey = false;  // stored without colours
};
ImageHeader read_image_header(const std::filesystem::path& path);  // throws DataError naming the file

// As 8-bit RGB (decode_png, decode_jpeg). Throws DataError naming the file.
Image read_image(const std::filesystem::path& path);

// Of an image's size and 8-bit RGB pixels: equal for files that show the same, however they are compressed.
Hex digest_pixels(const Image& image);

// digest_pixels of a file, decoded at most once where digests are remembered (null: they are not).
Hex pixel_digest(const std::filesystem::path& path, RememberedDigests* remembered);

}  // namespace espalier::images
