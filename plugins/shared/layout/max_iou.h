#pragma once

#include <vector>

#include "plugins/shared/layout/page.h"

namespace espalier::layout {

// Of two pages with equal label multisets: the largest mean IoU over one-to-one pairs of boxes of one class,
//   (1/N) max over assignments of the sum of IoU(a_i, b_j)                                  (LayoutGAN++, Kikuchi et al. 2021)
// Throws InternalError where the multisets differ. In [0, 1].
double page_iou(const Page& a, const Page& b);

// LayoutGAN++'s maximum IoU of two sets of pages: the pages of each label multiset that both sets have are assigned one to one with the
// largest sum of page_iou, as many pairs as the smaller side has; the mean over all pairs of all multisets. Pages of a multiset that the
// other set lacks do not count, so the pairs must be reported beside the value.
struct MaxIou {
  double value = 0.0;      // NaN without pairs
  std::int64_t pairs = 0;  // at most the pages of the smaller set
};
MaxIou max_iou(const std::vector<Page>& a, const std::vector<Page>& b);

}  // namespace espalier::layout
