#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace espalier::network {

// A batch of element sets under noise, padded to M elements. An element is a token (its class) and a vector of D numbers.
struct ElementInput {
  at::Tensor token;    // [B, M] int64: 0 .. K-1, or K for a masked token
  at::Tensor vector;   // [B, M, D], normalised units
  at::Tensor present;  // [B, M] bool: which elements exist; what the other fields hold of an absent one is never read
  at::Tensor frozen;   // [B, M, 2] bool: an element's token, its vector: given, not generated
  at::Tensor visit;  // [B] int64: the position being reversed, 2 i for element i's token, 2 i + 1 for its vector; -1: none, or all jointly
  at::Tensor timestep;  // [B] or [1] (one for all), float: the share of the process's steps times 1000
};

struct ElementOutput {
  at::Tensor logits;  // [B, M, K], 0 for absent elements
  at::Tensor vector;  // [B, M, D], 0 for absent elements
};

// The batch cut down to its longest set: to the last element that is present in any row (at least 1). Costs a wait for the device.
ElementInput trim(const ElementInput& input);

// The first `elements` of an output, or zeros behind it up to that many: what makes an output of a trimmed batch as long as the batch was.
ElementOutput pad(const ElementOutput& output, std::int64_t elements);

}  // namespace espalier::network
