#pragma once

#include <cstdint>
#include <vector>

#include "runtime/tensor/state.h"

namespace espalier::tensor {

// These rows of every tensor, in this order: [B, ...].
TensorMap rows(const TensorMap& tensors, const std::vector<std::int64_t>& which);

// Of all tensors.
std::int64_t bytes_of(const TensorMap& tensors);

// The tensors on a device; those that are there already are shared.
TensorMap on(at::Device device, TensorMap tensors);

}  // namespace espalier::tensor
