#include <cctype>

#include "plugins/shared/layout/draw.h"

namespace espalier::layout {
namespace {

// Rows from top to bottom, three bits each.
constexpr std::uint16_t rows(unsigned a, unsigned b, unsigned c, unsigned d, unsigned e) {
  return static_cast<std::uint16_t>(a << 12U | b << 9U | c << 6U | d << 3U | e);
}

constexpr std::array<std::uint16_t, 26> kLetters = {
    rows(2, 5, 7, 5, 5), rows(6, 5, 6, 5, 6), rows(3, 4, 4, 4, 3), rows(6, 5, 5, 5, 6), rows(7, 4, 6, 4, 7),  // A to E
    rows(7, 4, 6, 4, 4), rows(3, 4, 5, 5, 3), rows(5, 5, 7, 5, 5), rows(7, 2, 2, 2, 7), rows(1, 1, 1, 5, 2),  // F to J
    rows(5, 5, 6, 5, 5), rows(4, 4, 4, 4, 7), rows(5, 7, 7, 5, 5), rows(6, 5, 5, 5, 5), rows(2, 5, 5, 5, 2),  // K to O
    rows(6, 5, 6, 4, 4), rows(2, 5, 5, 6, 3), rows(6, 5, 6, 5, 5), rows(3, 4, 2, 1, 6), rows(7, 2, 2, 2, 2),  // P to T
    rows(5, 5, 5, 5, 7), rows(5, 5, 5, 5, 2), rows(5, 5, 7, 7, 5), rows(5, 5, 2, 5, 5), rows(5, 5, 2, 2, 2),  // U to Y
    rows(7, 1, 2, 4, 7)};
constexpr std::array<std::uint16_t, 10> kDigits = {rows(7, 5, 5, 5, 7), rows(2, 6, 2, 2, 7), rows(6, 1, 2, 4, 7), rows(6, 1, 2, 1, 6),
                                                   rows(5, 5, 7, 1, 1), rows(7, 4, 6, 1, 6), rows(3, 4, 7, 5, 7), rows(7, 1, 2, 2, 2),
                                                   rows(7, 5, 7, 5, 7), rows(7, 5, 7, 1, 6)};

}  // namespace

std::uint16_t glyph(char character) {
  const auto code = static_cast<unsigned char>(character);
  if (character >= '0' && character <= '9') return kDigits[code - '0'];
  if (character == '_' || character == '-') return rows(0, 0, 7, 0, 0);
  if (code > 127 || std::isalpha(code) == 0) return 0;
  return kLetters[static_cast<std::size_t>(std::toupper(code) - 'A')];
}

}  // namespace espalier::layout
