#include "runtime/network/tiles.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace espalier::network {
namespace {

constexpr std::int64_t kHeight = 2, kWidth = 3;  // dimensions

// The tile with its first `extent` rows or columns blended with the last ones of the tile before it, which are of the same places.
at::Tensor blended(const at::Tensor& before, const at::Tensor& tile, std::int64_t extent, std::int64_t dimension) {
  extent = std::min({extent, before.size(dimension), tile.size(dimension)});
  const auto share = at::arange(extent, tile.options().dtype(at::kDouble)).div(extent);
  const auto along = [&](const at::Tensor& shares) { return shares.to(tile.scalar_type()).view({-1, dimension == kHeight ? 1 : extent}); };
  const auto overlap = before.narrow(dimension, before.size(dimension) - extent, extent) * along(1.0 - share) +
                       tile.narrow(dimension, 0, extent) * along(share);
  return at::cat({overlap, tile.narrow(dimension, extent, tile.size(dimension) - extent)}, dimension);
}

}  // namespace

at::Tensor by_tiles(const at::Tensor& x, const Tiles& tiles, const std::function<at::Tensor(const at::Tensor&)>& map) {
  const auto height = x.size(kHeight), width = x.size(kWidth);
  if (height <= tiles.in && width <= tiles.in) return map(x);
  const auto stride = tiles.in - tiles.in / 4, overlap = tiles.out / 4, kept = tiles.out - overlap;
  std::vector<at::Tensor> rows, above;
  for (std::int64_t top = 0; top < height; top += stride) {
    std::vector<at::Tensor> row, parts;
    for (std::int64_t left = 0; left < width; left += stride) {
      auto tile = map(x.slice(kHeight, top, top + tiles.in).slice(kWidth, left, left + tiles.in)).to(at::kFloat);
      if (top > 0) tile = blended(above[row.size()], tile, overlap, kHeight);
      if (left > 0) tile = blended(row.back(), tile, overlap, kWidth);
      parts.push_back(tile.slice(kHeight, 0, kept).slice(kWidth, 0, kept));
      row.push_back(std::move(tile));
    }
    rows.push_back(at::cat(parts, kWidth));
    above = std::move(row);
  }
  return at::cat(rows, kHeight);
}

}  // namespace espalier::network
