#include "runtime/network/tiles.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <utility>
#include <vector>

namespace espalier::network {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

using Sizes = std::vector<std::pair<std::int64_t, std::int64_t>>;

// The height and width of each x that is mapped.
Sizes mapped(std::int64_t height, std::int64_t width) {
  Sizes sizes;
  by_tiles(at::zeros({1, 1, height, width}), {8, 8}, [&](const at::Tensor& x) {
    sizes.emplace_back(x.size(2), x.size(3));
    return x;
  });
  return sizes;
}

TEST(Tiles, AreOnlyOfWhatIsLargerThanOne) {
  EXPECT_THAT(mapped(8, 8), ElementsAre(Pair(8, 8)));
  EXPECT_THAT(mapped(3, 8), ElementsAre(Pair(3, 8)));
  EXPECT_THAT(mapped(9, 6), ElementsAre(Pair(8, 6), Pair(3, 6)));
  EXPECT_THAT(mapped(2, 13), ElementsAre(Pair(2, 8), Pair(2, 7), Pair(2, 1)));
}

// Every element of a pointwise map is the same in each tile that has it, whatever the sizes.
TEST(Tiles, OfAPointwiseMapGiveTheWholeMap) {
  const auto doubled = [](const at::Tensor& x) { return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}); };
  for (const auto& [height, width] : Sizes{{5, 4}, {4, 9}, {16, 11}, {7, 6}, {10, 31}}) {
    const auto x = at::rand({2, 3, height, width});
    EXPECT_TRUE(at::allclose(by_tiles(x, {4, 8}, doubled), doubled(x), 0.0, 1e-6)) << height << " x " << width;
    const auto every_second = [](const at::Tensor& part) { return part.slice(2, 0, std::nullopt, 2).slice(3, 0, std::nullopt, 2); };
    const auto y = doubled(x);
    EXPECT_TRUE(at::allclose(by_tiles(y, {8, 4}, every_second), x, 0.0, 1e-6)) << height << " x " << width;
  }
}

// Tiles of 8 that are constant, 0, 1, 2: each begins 6 after the one before it, which leads it over the 2 in which they overlap.
TEST(Tiles, AreBlendedOverAQuarter) {
  const auto row = at::tensor({0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.5F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.5F});
  for (const bool upright : {false, true}) {
    double next = 0;
    const auto count = [&](const at::Tensor& x) { return at::full(x.sizes(), next++); };
    const auto x = upright ? at::zeros({1, 1, 14, 3}) : at::zeros({1, 1, 3, 14});
    const auto expected = (upright ? row.view({14, 1}) : row.view({1, 14})).expand_as(x);
    EXPECT_TRUE(at::allclose(by_tiles(x, {8, 8}, count), expected, 0.0, 1e-6)) << upright;
  }
}

}  // namespace
}  // namespace espalier::network
