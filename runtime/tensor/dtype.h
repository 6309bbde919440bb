#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

namespace espalier::tensor {

// The number formats that networks are computed in, as pipelines name them: "float32", "bfloat16", "float16".
std::vector<std::string> compute_dtypes();
std::optional<at::ScalarType> compute_dtype(const std::string& name);  // nullopt: no such format

std::string dtype_name(at::ScalarType dtype);  // "bfloat16"; of others LibTorch's name

// Whether this machine's CPU computes in the format. float16 needs instructions of its own (AVX512-FP16, Armv8.2-FP16): without them it is
// emulated, far slower than float32.
bool cpu_computes(at::ScalarType dtype);

}  // namespace espalier::tensor
