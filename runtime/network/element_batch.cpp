#include "runtime/network/element_batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>

#include <algorithm>

namespace espalier::network {

ElementInput trim(const ElementInput& input) {
  if (input.present.numel() == 0) return input;
  const auto place = at::arange(1, input.present.size(1) + 1, input.present.options().dtype(at::kLong));
  const auto elements = std::max<std::int64_t>((input.present * place).max().item<std::int64_t>(), 1);
  if (elements == input.present.size(1)) return input;
  const auto cut = [elements](const at::Tensor& x) { return x.narrow(1, 0, elements); };
  return {cut(input.token), cut(input.vector), cut(input.present), cut(input.frozen), input.visit, input.timestep};
}

ElementOutput pad(const ElementOutput& output, std::int64_t elements) {
  const auto to_length = [elements](const at::Tensor& x) {  // [B, M, C]
    return x.size(1) >= elements ? x.narrow(1, 0, elements) : at::constant_pad_nd(x, {0, 0, 0, elements - x.size(1)});
  };
  return {to_length(output.logits), to_length(output.vector)};
}

}  // namespace espalier::network
