#pragma once

#include "plugins/shared/layout/page.h"

namespace espalier::layout {

// Measures of one page. Pages have at least one box, and all boxes an area (usable()); the values for fewer boxes are the literature's.

// At least one box, each with an area, and all numbers finite.
bool usable(const Page& page);

// The page less its boxes whose width or height is 0, which no reader takes: what is measured of a page that a network made. What is not
// finite, or has a size below 0, stays: usable() refuses its page.
Page with_area(const Page& page);

// Attribute-conditioned LayoutGAN's alignment loss (Li et al. 2020, arXiv 2009.05284, 3.6.4), the smaller the better, at least 0:
//   sum over boxes i of -log(1 - d_i),  d_i = min over other boxes j and the six coordinates (left, x-centre, right, top, y-centre, bottom)
//   of |difference|, as shares of the page.
// A lone box counts 0. d_i is at most 1 - 1e-6, so that opposite corners give a number.
double alignment_sum(const Page& page);

// LayoutGAN++'s alignment (Kikuchi et al. 2021, arXiv 2108.00871): the same, divided by the number of boxes. LayoutFlow and others print
// 100 times its mean over pages. Their code sets padding to 1 on both axes; some copies do so on one, and there boxes may align with
// padding.
double alignment(const Page& page);

// Attribute-conditioned LayoutGAN's overlap loss (3.6.3), the smaller the better, at least 0:
//   sum over ordered pairs i != j of area(i and j) / area(i).
double overlap_sum(const Page& page);

// LayoutGAN++'s overlap: the same, divided by the number of boxes. May exceed 1.
double overlap(const Page& page);

// LayoutGAN's overlap (Li et al. 2019, arXiv 1901.06767): sum over unordered pairs of area(i and j), as a share of the page.
double overlap_area(const Page& page);

// Our own, in [0, 1], the larger the better (margins as a design goal: O'Donovan et al. 2014, whose energy this is not):
//   inside x balance.  inside = the mean over boxes of the share of a box within the page without a border of width `border` (a share of
//   the page) on each side; balance = 1 - |left margin - right margin|, the margins of all boxes' bounding box, at least 0 each.
double margins(const Page& page, double border);

// Intersection over union of two boxes; 0 where the union has no area.
double intersection_over_union(const Box& a, const Box& b);

// Weights of a page's readability; at least 0, not all 0.
struct Readability {
  double alignment_weight = 1.0, overlap_weight = 1.0, margins_weight = 1.0;
  double alignment_scale = 0.01;  // the alignment that scores 1/e
  double border = 0.03;
};

// (w_a exp(-alignment / alignment_scale) + w_o exp(-overlap) + w_m margins) / (w_a + w_o + w_m), in [0, 1], the larger the better.
double readability(const Page& page, const Readability& options);

}  // namespace espalier::layout
