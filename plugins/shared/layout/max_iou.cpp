#include "plugins/shared/layout/max_iou.h"

#include <algorithm>
#include <limits>
#include <map>

#include "plugins/shared/layout/assignment.h"
#include "plugins/shared/layout/measures.h"
#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

std::vector<int> labels(const Page& page) {
  std::vector<int> sorted = page.class_index;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::map<int, std::vector<Box>> by_class(const Page& page) {
  std::map<int, std::vector<Box>> boxes;
  for (std::size_t i = 0; i < page.size(); ++i) boxes[page.class_index[i]].push_back(page.box[i]);
  return boxes;
}

using Groups = std::map<std::vector<int>, std::vector<const Page*>>;
Groups by_labels(const std::vector<Page>& pages) {
  Groups groups;
  for (const Page& page : pages) groups[labels(page)].push_back(&page);
  return groups;
}

double best_sum(const Scores& scores, std::int64_t& pairs) {
  double sum = 0.0;
  const std::vector<std::size_t> column_of = best_assignment(scores);
  for (std::size_t row = 0; row < scores.rows; ++row) {
    if (column_of[row] == kUnassigned) continue;
    sum += scores.at(row, column_of[row]);
    ++pairs;
  }
  return sum;
}

}  // namespace

double page_iou(const Page& a, const Page& b) {
  if (labels(a) != labels(b)) throw InternalError("two pages of other label multisets have no maximum IoU");
  const auto first = by_class(a), second = by_class(b);
  double sum = 0.0;
  std::int64_t pairs = 0;
  for (const auto& [which, boxes] : first) {
    const std::vector<Box>& others = second.at(which);
    Scores scores{boxes.size(), others.size(), {}};
    for (const Box& box : boxes) {
      for (const Box& other : others) scores.value.push_back(intersection_over_union(box, other));
    }
    sum += best_sum(scores, pairs);
  }
  return sum / static_cast<double>(pairs);
}

MaxIou max_iou(const std::vector<Page>& a, const std::vector<Page>& b) {
  const Groups first = by_labels(a), second = by_labels(b);
  MaxIou result;
  double sum = 0.0;
  for (const auto& [which, pages] : first) {
    const auto found = second.find(which);
    if (which.empty() || found == second.end()) continue;
    Scores scores{pages.size(), found->second.size(), {}};
    for (const Page* page : pages) {
      for (const Page* other : found->second) scores.value.push_back(page_iou(*page, *other));
    }
    sum += best_sum(scores, result.pairs);
  }
  result.value = result.pairs == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(result.pairs);
  return result;
}

}  // namespace espalier::layout
