#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/shared/layout/page.h"

namespace espalier::layout {

// Raised whenever a generated page changes: belongs in the digest of examples.
inline constexpr std::int64_t kGeneratorVersion = 1;

// PubLayNet's classes, in its order.
inline const std::vector<std::string>& generated_classes() {
  static const std::vector<std::string> names = {"text", "title", "list", "table", "figure"};
  return names;
}
inline constexpr std::int64_t kMostGeneratedBoxes = 20;
inline constexpr std::int64_t kLeastBoxLimit = 6;

// A plausible page of an article, for a machine without data; a function of (seed, index) alone. Equal margins left and right, one to three
// columns of equal width; often a title and an author line across the page, sometimes a figure or table across the columns; in the columns
// section titles, text, lists, figures with their caption below and tables with theirs above. No two boxes overlap, every box lies within
// the margins, and the boxes of a column share its left edge. At most `max_boxes` boxes, from kLeastBoxLimit (ConfigError below); never
// more than kMostGeneratedBoxes.
Page generate_page(std::uint64_t seed, std::uint64_t index, std::int64_t max_boxes = kMostGeneratedBoxes);

}  // namespace espalier::layout
