#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "runtime/base/value.h"

namespace espalier::exec {

// The device a pipeline names. "cuda" loads LibTorch's CUDA libraries first (ATen caches its hooks at the first query, so nothing may ask
// before); throws StageError when they, or a GPU, are not there.
at::Device open_device(const std::string& name);

// True when a CUDA device can be used here; loads the libraries. Never throws.
bool cuda_available();

// What the numbers of sampling and scoring may depend on besides keys and libraries: CPU, LibTorch, device (of "cuda" with the GPU's
// name). Loads no library of CUDA but the driver's.
Value numerics_class(const std::string& device);

}  // namespace espalier::exec
