#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace espalier::network {

// The tiles in which diffusers' AutoencoderKL computes what is larger than one, after enable_tiling(). They are squares, the next one
// begins 3/4 of a side further (those at the end are smaller), and over the quarter in which two overlap their results are blended.
// Memory is that of one tile's pass. A result differs from that of one pass: group norms and attention are of a tile.
struct Tiles {
  std::int64_t in = 0;   // side of a tile of what is mapped
  std::int64_t out = 0;  // side of what the map gives of it; both are multiples of 4
};

// Gives map(x) where x [B, C, H, W] is no larger than a tile, and otherwise what map gives of the tiles put together, in float32:
// [B, C', H out / in, W out / in]. `map` takes [B, C, h, w] to [B, C', h out / in, w out / in].
at::Tensor by_tiles(const at::Tensor& x, const Tiles& tiles, const std::function<at::Tensor(const at::Tensor&)>& map);

}  // namespace espalier::network
