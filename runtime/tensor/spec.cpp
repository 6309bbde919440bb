#include "runtime/tensor/spec.h"

#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>

namespace espalier::tensor {

std::int64_t bytes_of(const StateSpec& spec) {
  std::int64_t bytes = 0;
  for (const auto& [name, field] : spec) {
    bytes += c10::multiply_integers(field.shape) * static_cast<std::int64_t>(c10::elementSize(field.dtype));
  }
  return bytes;
}

State zeros(const StateSpec& spec, std::int64_t rows, at::Device device) {
  State state;
  for (const auto& [name, field] : spec) {
    std::vector<std::int64_t> shape{rows};
    shape.insert(shape.end(), field.shape.begin(), field.shape.end());
    state.emplace(name, at::zeros(shape, at::TensorOptions().dtype(field.dtype).device(device)));
  }
  return state;
}

}  // namespace espalier::tensor
