#include "runtime/tensor/finite.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace espalier::tensor {

std::string nonfinite_tensor(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!at::isFloatingType(tensor.scalar_type())) continue;
    const auto finite = at::isfinite(tensor);
    if (finite.all().item<bool>()) continue;
    const auto wrong = finite.logical_not().flatten().nonzero();  // [n, 1]
    return fmt::format("'{}' holds {} value{} of {} that {} not finite, the first at position {}", name, wrong.size(0),
                       wrong.size(0) == 1 ? "" : "s", tensor.numel(), wrong.size(0) == 1 ? "is" : "are", wrong[0][0].item<std::int64_t>());
  }
  return "";
}

void require_finite_weights(const TensorMap& weights, const std::string& origin) {
  const auto found = nonfinite_tensor(weights);
  if (found.empty()) return;
  throw DataError(origin + ": the tensor " + found +
                  "; all that such a model makes is NaN: take weights from before their training diverged, or fetch the file again");
}

}  // namespace espalier::tensor
