#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "plugins/shared/layout/page.h"

namespace espalier::layout {

enum class OnError { fail, skip };

// What is wrong with a page or box: `fail` throws DataError naming the file and the record; `skip` leaves it out and counts it by reason.
//   a page   malformed JSON | malformed record | no boxes (left) | too many boxes
//   a box    unknown class | outside the page | negative size | not finite | unknown image
// A box that is outside by less than kSlack of the page is so by rounding: it is cut, not refused.
// What is no box of a page is excluded and counted, whatever on_error is: a box without area (width or height 0, as a network may draw
// one), COCO's boxes around a crowd (iscrowd = 1), and a page that has nothing else.
struct ReadOptions {
  std::vector<std::string> class_names = {};  // in the order of their indices; empty: all that the file has
  OnError on_error = OnError::fail;
  std::int64_t max_boxes = 0;   // a page may have; 0: any number
  bool top_level_only = false;  // of read_rico: elements of depth 0 alone
};
inline constexpr double kSlack = 1e-3;

// Each reads plain and gzip'ed files, and throws DataError, whatever on_error is, for a file that cannot be opened, is of another
// format, or holds no page that is kept.

// COCO, as PubLayNet has it: {"images": [{"id", "width", "height"}], "annotations": [{"image_id", "category_id", "bbox": [left, top, width,
// height] in pixels, "iscrowd"}], "categories": [{"id", "name"}]}. Pages in the order of `images`; without class_names, classes in the
// order of their ids. Annotations are read one at a time, so that memory holds boxes and not the text. A file that is not JSON always
// fails.
PageSet read_coco(const std::filesystem::path& path, const ReadOptions& options = {});

// A screen a line: {"elements": [{"class", "box": [x0, y0, x1, y1] in 0..999 of the screen, "depth"}]}. Without class_names, classes in
// alphabetical order. So does read_lines, a page a line: {"elements": [{"class", "box_ltwh_norm": [left, top, width, height] as shares}]}.
PageSet read_rico(const std::filesystem::path& path, const ReadOptions& options = {});
PageSet read_lines(const std::filesystem::path& path, const ReadOptions& options = {});

}  // namespace espalier::layout
