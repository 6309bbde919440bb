#include "plugins/shared/layout/draw.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "plugins/shared/layout/generator.h"

namespace espalier::layout {
namespace {

Rgb pixel(const Image& image, std::int64_t x, std::int64_t y) {
  const auto* first = image.rgb.data() + 3 * (y * image.width + x);
  return {first[0], first[1], first[2]};
}

constexpr Rgb kWhite = {255, 255, 255};

TEST(DrawnPage, HasTranslucentBoxesWithOutlines) {
  const Page page{{1}, {{0.5, 0.5, 0.5, 0.2}}};
  const Image image = draw_page(page, {.width = 100, .height = 100});
  EXPECT_EQ(image.rgb.size(), 30000U);
  EXPECT_EQ(pixel(image, 24, 50), kWhite);
  EXPECT_EQ(pixel(image, 25, 50), class_colour(1));
  EXPECT_EQ(pixel(image, 74, 59), class_colour(1));
  EXPECT_EQ(pixel(image, 75, 50), kWhite);
  EXPECT_EQ(pixel(image, 50, 60), kWhite);
  const Rgb inside = pixel(image, 50, 50);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(inside[c], 0.65 * 255 + 0.35 * class_colour(1)[c], 1.0);
}

TEST(DrawnPage, ShowsSmallBoxesOverLargeOnes) {
  const Page page{{0, 1}, {{0.5, 0.5, 0.1, 0.1}, {0.5, 0.5, 0.8, 0.8}}};
  EXPECT_EQ(pixel(draw_page(page, {.width = 100, .height = 100}), 45, 50), class_colour(0));
}

TEST(DrawnPage, CutsWhatIsOutsideAndSkipsWhatIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Page page{{0, 1, 2}, {{0.0, 0.0, 1.0, 1.0}, {nan, 0.5, 0.5, 0.5}, {1e300, -1e300, 1e300, 3.0}}};
  const Image image = draw_page(page, {.width = 40, .height = 60});
  EXPECT_EQ(pixel(image, 19, 10), class_colour(0));
  EXPECT_EQ(pixel(image, 30, 50), kWhite);
}

TEST(DrawnPage, NamesAClassWhereThereIsRoom) {
  const DrawOptions plain{.width = 100, .height = 100}, named{.width = 100, .height = 100, .class_names = {"text"}};
  const Page roomy{{0}, {{0.5, 0.5, 0.5, 0.5}}}, narrow{{0}, {{0.5, 0.5, 0.1, 0.5}}};
  EXPECT_NE(draw_page(roomy, plain).rgb, draw_page(roomy, named).rgb);
  EXPECT_EQ(draw_page(narrow, plain).rgb, draw_page(narrow, named).rgb);
  EXPECT_EQ(pixel(draw_page(roomy, named), 29, 28), class_colour(0)) << "the bar of the T";
  EXPECT_EQ(draw_page({{4}, roomy.box}, plain).rgb, draw_page({{4}, roomy.box}, named).rgb) << "a class without a name";
}

TEST(DrawnPage, ColoursAndGlyphsDiffer) {
  std::set<Rgb> colours;
  for (int i = 0; i < 24; ++i) colours.insert(class_colour(i));
  EXPECT_EQ(colours.size(), 24U);
  std::set<std::uint16_t> glyphs;
  for (char c = 'a'; c <= 'z'; ++c) {
    glyphs.insert(glyph(c));
    EXPECT_EQ(glyph(c), glyph(static_cast<char>(c - 'a' + 'A')));
  }
  EXPECT_EQ(glyphs.size(), 26U);
  EXPECT_EQ(glyph(' '), 0);
  EXPECT_EQ(glyph('I'), 0b111'010'010'010'111);
}

}  // namespace
}  // namespace espalier::layout
