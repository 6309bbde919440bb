#pragma once

#include "runtime/tensor/state.h"

namespace espalier::training {

// For classifier-free guidance: the conditions [B, ...], with the null condition [1, ...] in the rows whose uniform (of `uniform` [B], on
// the CPU) is below `probability`.
TensorMap drop_conditions(const TensorMap& condition, const TensorMap& null_condition, const at::Tensor& uniform, double probability);

}  // namespace espalier::training
