#pragma once

#include "runtime/tensor/state.h"

namespace espalier::tensor {

// The bytes of one row of a state.
std::int64_t bytes_of(const StateSpec& spec);

// A state of zeros, [rows, ...].
State zeros(const StateSpec& spec, std::int64_t rows, at::Device device);

}  // namespace espalier::tensor
