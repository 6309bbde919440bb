#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/sdk/dataset.h"

namespace espalier::layout {

using Box = std::array<double, 4>;  // x-centre, y-centre, width, height, as shares of the page; y points down

struct Edges {
  double left = 0.0, top = 0.0, right = 0.0, bottom = 0.0;
  double area() const { return (right - left) * (bottom - top); }
};
Edges edges_of(const Box& box);
Box box_of(const Edges& edges);

// The boxes of one page, each with its class; box[i] is of class_index[i].
struct Page {
  std::vector<int> class_index;  // below the number of class names
  std::vector<Box> box;
  std::size_t size() const { return box.size(); }
};

// Pages of a file, and what of the file is not among them.
struct PageSet {
  std::vector<std::string> class_names;
  std::vector<Page> pages;
  std::int64_t records = 0;                           // pages the file has, kept or not
  std::map<std::string, std::int64_t> skipped_pages;  // by reason
  std::map<std::string, std::int64_t> skipped_boxes;  // left out, by reason, of pages kept or not
  std::vector<std::string> examples = {};             // of what was left out, the first three: "line 3: no boxes: the page is empty"
  std::string skipped() const;  // "3 pages (2 no boxes, 1 too many boxes), 4 boxes (4 no area): line 3: no boxes: ...; ...", or "nothing"
  Hex digest() const;           // of the class names and the pages
};

// A sample of kind "layout" (tensors "class" [B, M], "box" [B, M, 4] of any floating dtype) row by row, elements of class -1 left out.
// Throws StageError naming `who` unless it is one.
std::vector<Page> pages_of(const Sample& sample, const std::string& who);

// The other way, padded to `slots` boxes a page (class -1, box 0), boxes of this dtype. Throws InternalError when a page has more.
Sample sample_of(const std::vector<Page>& pages, std::int64_t slots, at::ScalarType dtype = at::kFloat);

}  // namespace espalier::layout
