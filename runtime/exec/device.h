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

// What numbers may depend on besides keys: CPU, LibTorch, device, threads a worker.
Value numerics_class(at::Device device, int threads);

}  // namespace espalier::exec
