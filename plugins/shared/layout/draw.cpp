#include "plugins/shared/layout/draw.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::layout {
namespace {

constexpr double kOpacity = 0.35;
constexpr std::uint8_t kWhite = 255;
constexpr std::int64_t kMargin = 2;  // pixels between a box's outline and its name

constexpr std::array<Rgb, 12> kColours = {{{31, 119, 180},
                                           {214, 39, 40},
                                           {44, 160, 44},
                                           {148, 103, 189},
                                           {255, 127, 14},
                                           {23, 190, 207},
                                           {227, 119, 194},
                                           {140, 86, 75},
                                           {188, 189, 34},
                                           {127, 127, 127},
                                           {0, 0, 128},
                                           {0, 100, 80}}};

// Pixels [left, right) x [top, bottom), within the image.
struct Area {
  std::int64_t left = 0, top = 0, right = 0, bottom = 0;
};

class Canvas {
 public:
  Canvas(std::int64_t width, std::int64_t height)
      : image_{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height), kWhite)} {}

  void blend(std::int64_t x, std::int64_t y, const Rgb& colour, double opacity) {
    if (x < 0 || y < 0 || x >= image_.width || y >= image_.height) return;
    auto* pixel = image_.rgb.data() + 3 * (y * image_.width + x);
    for (std::size_t c = 0; c < 3; ++c) {
      pixel[c] = static_cast<std::uint8_t>(std::lround((1.0 - opacity) * pixel[c] + opacity * colour[c]));
    }
  }

  void box(const Area& area, const Rgb& colour) {
    for (std::int64_t y = area.top; y < area.bottom; ++y) {
      for (std::int64_t x = area.left; x < area.right; ++x) {
        const bool edge = x == area.left || x == area.right - 1 || y == area.top || y == area.bottom - 1;
        blend(x, y, colour, edge ? 1.0 : kOpacity);
      }
    }
  }

  // In the area's top left corner, if all of it fits.
  void name(const Area& area, const std::string& text, const Rgb& colour) {
    const auto width = static_cast<std::int64_t>(text.size()) * (kGlyphWidth + 1) - 1;
    if (text.empty() || area.right - area.left < width + 2 * (kMargin + 1)) return;
    if (area.bottom - area.top < kGlyphHeight + 2 * kMargin) return;
    std::int64_t left = area.left + kMargin + 1;
    for (const char character : text) {
      const unsigned bits = glyph(character);
      for (std::int64_t bit = 0; bit < kGlyphWidth * kGlyphHeight; ++bit) {
        if ((bits >> (kGlyphWidth * kGlyphHeight - 1 - bit) & 1U) == 0) continue;
        blend(left + bit % kGlyphWidth, area.top + kMargin + bit / kGlyphWidth, colour, 1.0);
      }
      left += kGlyphWidth + 1;
    }
  }

  Image take() { return std::move(image_); }

 private:
  Image image_;
};

bool finite(const Box& box) { return std::isfinite(box[0] + box[1] + box[2] + box[3]); }

std::int64_t pixel_of(double share, std::int64_t size) { return std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(size)); }

}  // namespace

Rgb class_colour(int class_index) {
  const auto count = static_cast<int>(kColours.size());
  Rgb colour = kColours[static_cast<std::size_t>(((class_index % count) + count) % count)];
  if (class_index >= count) {
    for (auto& channel : colour) channel = static_cast<std::uint8_t>(channel * 3 / 5);
  }
  return colour;
}

Image draw_page(const Page& page, const DrawOptions& options) {
  Canvas canvas(options.width, options.height);
  canvas.box({0, 0, options.width, options.height}, {kWhite, kWhite, kWhite});
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (finite(page.box[i])) order.push_back(i);
  }
  const auto area = [&](std::size_t i) { return page.box[i][2] * page.box[i][3]; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return area(a) > area(b); });
  for (const std::size_t i : order) {
    const Edges e = edges_of(page.box[i]);
    const Area pixels{pixel_of(e.left, options.width), pixel_of(e.top, options.height), pixel_of(e.right, options.width),
                      pixel_of(e.bottom, options.height)};
    const Rgb colour = class_colour(page.class_index[i]);
    canvas.box(pixels, colour);
    const auto which = static_cast<std::size_t>(page.class_index[i]);
    if (which < options.class_names.size()) canvas.name(pixels, options.class_names[which], colour);
  }
  return canvas.take();
}

}  // namespace espalier::layout
