#include "runtime/training/condition_dropout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

#include <cstdint>
#include <vector>

namespace espalier::training {

TensorMap drop_conditions(const TensorMap& condition, const TensorMap& null_condition, const at::Tensor& uniform, double probability) {
  TensorMap dropped;
  for (const auto& [name, tensor] : condition) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(tensor.dim()), 1);
    shape[0] = tensor.size(0);
    const auto drop = (uniform < probability).to(tensor.device()).view(shape);
    dropped.emplace(name, at::where(drop, null_condition.at(name).to(tensor.device()), tensor));
  }
  return dropped;
}

}  // namespace espalier::training
