#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/shared/layout/page.h"
#include "runtime/sdk/image.h"

namespace espalier::layout {

using Rgb = std::array<std::uint8_t, 3>;

// The colour of a class, fixed by its index: twelve distinct ones, then the same ones darker.
Rgb class_colour(int class_index);

struct DrawOptions {
  std::int64_t width = 150;  // pixels
  std::int64_t height = 200;
  std::vector<std::string> class_names = {};  // written into a box's top left corner where there is room; empty: colours alone
};

// A white page with each box as a translucent area with an outline, in its class's colour; larger boxes behind smaller ones. What lies
// outside the page is cut, and a box that is not finite is left out.
Image draw_page(const Page& page, const DrawOptions& options = {});

// A glyph of 3 x 5 pixels: bit 14 is its top left, bit 12 its top right, bit 0 its bottom right. Letters have one case; a character that
// has no glyph is blank.
std::uint16_t glyph(char character);
inline constexpr std::int64_t kGlyphWidth = 3, kGlyphHeight = 5;

}  // namespace espalier::layout
