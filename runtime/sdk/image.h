#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// An 8-bit RGB image, row by row.
struct Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> rgb;  // 3 * width * height
};

std::string encode_png(const Image& image);

// Any PNG (grey, palette, alpha over black, 16 bits) as 8-bit RGB. Throws DataError naming `origin`; at most 8192 x 8192.
Image decode_png(std::string_view bytes, const std::string& origin);

}  // namespace espalier
