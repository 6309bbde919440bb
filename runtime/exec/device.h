#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "runtime/base/value.h"

namespace espalier::exec {

// Opens the device that a pipeline names. "cuda" first loads LibTorch's CUDA libraries; no CUDA query may come before, because ATen caches
// its hooks at the first one. Throws StageError if the libraries or a GPU are missing.
at::Device open_device(const std::string& name);

// Returns whether a CUDA device can be used here; loads the libraries. Never throws.
bool cuda_available();

// Returns what the numbers of sampling and scoring may depend on besides keys and libraries: CPU, LibTorch and device ("cuda" with the
// GPU's name). Loads only the driver of CUDA's libraries.
Value numerics_class(const std::string& device);

}  // namespace espalier::exec
