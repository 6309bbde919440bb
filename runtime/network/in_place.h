#pragma once

#include <ATen/core/Tensor.h>

// For this folder's networks alone: not installed.
namespace espalier::network {

// silu(x), in place where no gradient is recorded. x is a temporary to which nothing else refers.
at::Tensor silu_(at::Tensor&& x);

}  // namespace espalier::network
