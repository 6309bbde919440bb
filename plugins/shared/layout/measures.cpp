#include "plugins/shared/layout/measures.h"

#include <algorithm>
#include <cmath>

namespace espalier::layout {
namespace {

constexpr double kFarthest = 1.0 - 1e-6;

std::array<double, 6> coordinates(const Box& box) {
  const Edges e = edges_of(box);
  return {e.left, box[0], e.right, e.top, box[1], e.bottom};
}

double intersection(const Edges& a, const Edges& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0.0 && height > 0.0 ? width * height : 0.0;
}

double count(const Page& page) { return static_cast<double>(page.size()); }

double share_within(const Box& box, double border) {
  const Edges e = edges_of(box), frame{border, border, 1.0 - border, 1.0 - border};
  return intersection(e, frame) / e.area();
}

// By its edges, which may be one number though the size is not 0.
bool has_area(const Box& box) {
  const Edges e = edges_of(box);
  return e.right > e.left && e.bottom > e.top && std::isfinite(e.area()) && e.area() > 0.0;
}

bool is_flat(const Box& box) {
  return std::isfinite(box[0] + box[1] + box[2] + box[3]) && box[2] >= 0.0 && box[3] >= 0.0 && !has_area(box);
}

}  // namespace

bool usable(const Page& page) { return page.size() > 0 && std::all_of(page.box.begin(), page.box.end(), has_area); }

Page with_area(const Page& page) {
  Page result;
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (is_flat(page.box[i])) continue;
    result.class_index.push_back(page.class_index[i]);
    result.box.push_back(page.box[i]);
  }
  return result;
}

double alignment_sum(const Page& page) {
  std::vector<std::array<double, 6>> at;
  for (const Box& box : page.box) at.push_back(coordinates(box));
  double sum = 0.0;
  for (std::size_t i = 0; i < at.size() && at.size() > 1; ++i) {
    double least = kFarthest;
    for (std::size_t j = 0; j < at.size(); ++j) {
      for (std::size_t k = 0; k < 6 && j != i; ++k) least = std::min(least, std::abs(at[i][k] - at[j][k]));
    }
    sum -= std::log(1.0 - least);
  }
  return sum;
}

double alignment(const Page& page) { return alignment_sum(page) / count(page); }

double overlap_sum(const Page& page) {
  double sum = 0.0;
  for (std::size_t i = 0; i < page.size(); ++i) {
    const Edges own = edges_of(page.box[i]);
    for (std::size_t j = 0; j < page.size(); ++j) {
      if (j != i) sum += intersection(own, edges_of(page.box[j])) / own.area();
    }
  }
  return sum;
}

double overlap(const Page& page) { return overlap_sum(page) / count(page); }

double overlap_area(const Page& page) {
  double sum = 0.0;
  for (std::size_t i = 0; i < page.size(); ++i) {
    for (std::size_t j = i + 1; j < page.size(); ++j) sum += intersection(edges_of(page.box[i]), edges_of(page.box[j]));
  }
  return sum;
}

double margins(const Page& page, double border) {
  double inside = 0.0, left = 1.0, right = 1.0;
  for (const Box& box : page.box) {
    inside += share_within(box, border) / count(page);
    left = std::min(left, edges_of(box).left);
    right = std::min(right, 1.0 - edges_of(box).right);
  }
  return inside * (1.0 - std::abs(std::max(left, 0.0) - std::max(right, 0.0)));
}

double intersection_over_union(const Box& a, const Box& b) {
  const Edges first = edges_of(a), second = edges_of(b);
  const double both = intersection(first, second), either = first.area() + second.area() - both;
  return either > 0.0 ? both / either : 0.0;
}

double readability(const Page& page, const Readability& options) {
  const double total = options.alignment_weight + options.overlap_weight + options.margins_weight;
  return (options.alignment_weight * std::exp(-alignment(page) / options.alignment_scale) +
          options.overlap_weight * std::exp(-overlap(page)) + options.margins_weight * margins(page, options.border)) /
         total;
}

}  // namespace espalier::layout
