#include "runtime/tensor/tensor_map.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

namespace espalier::tensor {

TensorMap rows(const TensorMap& tensors, const std::vector<std::int64_t>& which) {
  if (tensors.empty()) return {};
  const auto index = at::tensor(which, at::kLong);
  TensorMap out;
  for (const auto& [name, tensor] : tensors) out.emplace(name, at::index_select(tensor, 0, index.to(tensor.device())));
  return out;
}

std::int64_t bytes_of(const TensorMap& tensors) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

TensorMap on(at::Device device, TensorMap tensors) {
  for (auto& [name, tensor] : tensors) tensor = tensor.to(device);
  return tensors;
}

}  // namespace espalier::tensor
