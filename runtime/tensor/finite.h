#pragma once

#include <string>

#include "runtime/tensor/state.h"

namespace espalier::tensor {

// The first tensor by name that holds NaN or an infinity, for a message: "'conv.weight' holds 2 values of 64 that are not finite, the first
// at position 7". "" when all are finite.
std::string nonfinite_tensor(const TensorMap& tensors);

// Throws DataError where weights that were read from `origin`, a file or folder, are not all finite.
void require_finite_weights(const TensorMap& weights, const std::string& origin);

}  // namespace espalier::tensor
