#include "plugins/shared/layout/measures.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "plugins/shared/layout/assignment.h"
#include "plugins/shared/layout/max_iou.h"
#include "runtime/base/errors.h"
#include "runtime/random/draws.h"

namespace espalier::layout {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Page page_at(const std::vector<Box>& boxes) { return {std::vector<int>(boxes.size(), 0), boxes}; }

TEST(Alignment, IsZeroForOneBoxAndForASharedEdge) {
  EXPECT_EQ(alignment(page_at({{0.3, 0.3, 0.2, 0.2}})), 0.0);
  // both left edges at 0.25 (powers of two, so exactly)
  EXPECT_EQ(alignment(page_at({{0.375, 0.25, 0.25, 0.125}, {0.5, 0.75, 0.5, 0.0625}})), 0.0);
}

TEST(Alignment, IsTheNearestCoordinatesLog) {
  // left .1 .33, centre .2 .43, right .3 .53; top .1 .52, centre .2 .72, bottom .3 .92: the nearest pair differs by 0.23
  const Page page = page_at({{0.2, 0.2, 0.2, 0.2}, {0.43, 0.72, 0.2, 0.4}});
  EXPECT_NEAR(alignment(page), -std::log(1.0 - 0.23), 1e-12);
  EXPECT_NEAR(alignment_sum(page), -2.0 * std::log(1.0 - 0.23), 1e-12);
}

TEST(Alignment, OfOppositeCornersIsANumber) {
  EXPECT_NEAR(alignment(page_at({{0.0, 0.0, 0.0, 0.0}, {1.0, 1.0, 0.0, 0.0}})), -std::log(1e-6), 1e-9);
}

TEST(Overlap, OfTwoBoxesByHand) {
  // areas 0.16 and 0.04, in common 0.2 x 0.1 = 0.02
  const Page page = page_at({{0.3, 0.3, 0.4, 0.4}, {0.3, 0.5, 0.2, 0.2}});
  EXPECT_NEAR(overlap_sum(page), 0.02 / 0.16 + 0.02 / 0.04, 1e-12);
  EXPECT_NEAR(overlap(page), (0.02 / 0.16 + 0.02 / 0.04) / 2.0, 1e-12);
  EXPECT_NEAR(overlap_area(page), 0.02, 1e-12);
}

TEST(Overlap, IsNoneForNeighbours) {
  EXPECT_EQ(overlap(page_at({{0.25, 0.5, 0.5, 0.5}, {0.75, 0.5, 0.5, 0.5}})), 0.0);
  EXPECT_EQ(overlap(page_at({{0.5, 0.5, 0.5, 0.5}, {0.5, 0.5, 0.5, 0.5}})), 1.0);
}

TEST(Margins, PreferBoxesWithinEqualMargins) {
  EXPECT_DOUBLE_EQ(margins(page_at({{0.5, 0.5, 0.8, 0.8}}), 0.05), 1.0);
  EXPECT_NEAR(margins(page_at({{0.5, 0.5, 1.0, 1.0}}), 0.05), 0.81, 1e-12);                      // all but the border is inside
  EXPECT_NEAR(margins(page_at({{0.3, 0.5, 0.4, 0.5}}), 0.05), 1.0 - 0.4, 1e-12);                 // 0.1 on the left, 0.5 on the right
  EXPECT_NEAR(margins(page_at({{0.0, 0.5, 0.5, 0.5}, {1.0, 0.5, 0.5, 0.5}}), 0.0), 0.5, 1e-12);  // half of each is off the page
}

TEST(Readability, IsTheWeightedMean) {
  const Page page = page_at({{0.2, 0.2, 0.2, 0.2}, {0.43, 0.72, 0.2, 0.4}});
  const Readability options{.alignment_weight = 1.0, .overlap_weight = 2.0, .margins_weight = 3.0, .alignment_scale = 0.5, .border = 0.05};
  const double aligned = std::exp(std::log(1.0 - 0.23) / 0.5), balance = 1.0 - (0.47 - 0.1), inside = (1.0 + 1.0) / 2.0;
  EXPECT_NEAR(readability(page, options), (aligned + 2.0 + 3.0 * inside * balance) / 6.0, 1e-12);
}

TEST(Usable, PagesHaveFiniteBoxesWithAnArea) {
  EXPECT_FALSE(usable({}));
  EXPECT_TRUE(usable(page_at({{0.5, 0.5, 0.1, 0.5}})));
  EXPECT_FALSE(usable(page_at({{0.5, 0.5, 0.0, 0.5}})));
  EXPECT_FALSE(usable(page_at({{0.5, 0.5, 0.5, 1e-17}}))) << "its edges are one number";
  EXPECT_FALSE(usable(page_at({{0.5, 0.5, -0.1, -0.5}})));
  EXPECT_FALSE(usable(page_at({{0.5, 0.5, 0.1, 0.5}, {0.5, kNan, 0.1, 0.1}})));
  EXPECT_FALSE(usable(page_at({{0.5, 0.5, -0.1, 0.5}})));
}

TEST(PagesWithArea, AreLessTheirFlatBoxes) {
  const auto found = with_area({{0, 1, 2}, {{0.5, 0.5, 0.2, 0.0}, {0.3, 0.4, 0.2, 0.4}, {0.5, 0.5, 1e-17, 0.5}}});
  EXPECT_EQ(found.class_index, (std::vector<int>{1}));
  EXPECT_EQ(found.box, (std::vector<Box>{{0.3, 0.4, 0.2, 0.4}}));
  EXPECT_TRUE(usable(found));
  EXPECT_FALSE(usable(with_area({{3}, {{0.5, 0.5, 0.0, 0.0}}})));
  for (const Box& box : {Box{0.5, 0.5, -0.1, 0.5}, Box{0.5, kNan, 0.0, 0.5}}) {
    EXPECT_EQ(with_area({{4}, {box}}).size(), 1U) << "no box at all, and its page is refused";
    EXPECT_FALSE(usable(with_area({{4}, {box}})));
  }
}

TEST(IntersectionOverUnion, ByHand) {
  EXPECT_NEAR(intersection_over_union({0.25, 0.5, 0.5, 1.0}, {0.5, 0.5, 0.5, 1.0}), 0.25 / 0.75, 1e-12);
  EXPECT_EQ(intersection_over_union({0.25, 0.5, 0.5, 1.0}, {0.25, 0.5, 0.5, 1.0}), 1.0);
  EXPECT_EQ(intersection_over_union({0.25, 0.5, 0.0, 1.0}, {0.25, 0.5, 0.0, 1.0}), 0.0);
}

// The best of all ways to give min(rows, columns) of the larger side to the smaller.
double brute_force(const Scores& scores) {
  const bool turned = scores.rows > scores.columns;
  const std::size_t few = std::min(scores.rows, scores.columns);
  std::vector<std::size_t> order(std::max(scores.rows, scores.columns));
  std::iota(order.begin(), order.end(), 0U);
  double best = -1e300;
  do {
    double sum = 0.0;
    for (std::size_t i = 0; i < few; ++i) sum += turned ? scores.at(order[i], i) : scores.at(i, order[i]);
    best = std::max(best, sum);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(BestAssignment, IsAsGoodAsTheBestOfAll) {
  std::uint64_t trial = 0;
  for (std::size_t rows = 1; rows <= 6; ++rows) {
    for (std::size_t columns = 1; columns <= 6; ++columns) {
      for (int repeat = 0; repeat < 6; ++repeat, ++trial) {
        random::Draws draws({.seed = 5, .purpose = random::Purpose::evaluation, .round = 0, .branch = 0}, {trial});
        const auto numbers = draws.normals({static_cast<std::int64_t>(rows * columns)}, at::kDouble);
        Scores scores{rows, columns, {}};
        const auto* number = numbers.const_data_ptr<double>();
        for (std::size_t i = 0; i < rows * columns; ++i) {
          scores.value.push_back(repeat % 2 == 0 ? number[i] : std::round(number[i]));  // every other one full of ties
        }
        const auto column_of = best_assignment(scores);
        std::vector<int> used(columns, 0);
        double sum = 0.0;
        std::size_t pairs = 0;
        for (std::size_t row = 0; row < rows; ++row) {
          if (column_of[row] == kUnassigned) continue;
          ++pairs;
          ASSERT_EQ(++used.at(column_of[row]), 1);
          sum += scores.at(row, column_of[row]);
        }
        ASSERT_EQ(pairs, std::min(rows, columns));
        ASSERT_NEAR(sum, brute_force(scores), 1e-9) << rows << " x " << columns;
      }
    }
  }
}

TEST(PageIou, PairsBoxesOfOneClassTheBestWay) {
  const Page a{{0, 0, 1}, {{0.2, 0.2, 0.2, 0.2}, {0.7, 0.7, 0.2, 0.2}, {0.5, 0.5, 0.1, 0.1}}};
  const Page b{{1, 0, 0}, {{0.5, 0.5, 0.1, 0.1}, {0.7, 0.7, 0.2, 0.2}, {0.2, 0.2, 0.2, 0.1}}};
  EXPECT_NEAR(page_iou(a, b), (1.0 + 1.0 + 0.5) / 3.0, 1e-12);
  EXPECT_THROW(page_iou(a, page_at({{0.5, 0.5, 0.1, 0.1}})), InternalError);
}

TEST(MaxIou, ComparesPagesOfEqualLabelsAlone) {
  const Box here{0.2, 0.2, 0.2, 0.2}, half{0.2, 0.2, 0.2, 0.1}, far{0.8, 0.8, 0.2, 0.2};
  const std::vector<Page> a = {{{0}, {here}}, {{0}, {far}}, {{0, 1}, {here, far}}},
                          b = {{{0}, {half}}, {{1, 0}, {far, here}}, {{2}, {here}}};
  const MaxIou found = max_iou(a, b);
  EXPECT_EQ(found.pairs, 2);
  EXPECT_NEAR(found.value, (0.5 + 1.0) / 2.0, 1e-12);
  EXPECT_NEAR(max_iou(b, a).value, found.value, 1e-12);
  EXPECT_EQ(max_iou(a, a).value, 1.0);
  const MaxIou none = max_iou({a[0]}, {b[2]});
  EXPECT_EQ(none.pairs, 0);
  EXPECT_TRUE(std::isnan(none.value));
}

}  // namespace
}  // namespace espalier::layout
