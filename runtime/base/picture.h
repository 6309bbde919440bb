#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// An 8-bit RGB picture, row by row.
struct Picture {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> rgb;  // 3 * width * height
};

std::string encode_png(const Picture& picture);

// Any PNG (grey, palette, alpha over black, 16 bits) as 8-bit RGB. Throws DataError naming `origin`; at most 8192 x 8192.
Picture decode_png(std::string_view bytes, const std::string& origin);

}  // namespace espalier
