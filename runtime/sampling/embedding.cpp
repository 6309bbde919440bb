#include "runtime/sampling/embedding.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>

#include "runtime/tensor/tensor_map.h"

namespace espalier::sampling {

std::vector<std::int64_t> rows_of_pass(std::int64_t first, std::int64_t micro_batch, std::int64_t count) {
  std::vector<std::int64_t> which;
  for (std::int64_t i = 0; i < micro_batch; ++i) which.push_back((first + i) % count);
  return which;
}

TensorMap embed(const Model& model, const TensorMap& condition, std::int64_t micro_batch) {
  const at::NoGradGuard no_grad;
  if (condition.empty()) return model.network->embed(model.weights, {});
  const auto count = condition.begin()->second.size(0);
  std::map<std::string, std::vector<at::Tensor>> parts;
  for (std::int64_t first = 0; first < count; first += micro_batch) {
    for (const auto& [name, rows] : model.network->embed(model.weights, tensor::rows(condition, rows_of_pass(first, micro_batch, count)))) {
      parts[name].push_back(rows.narrow(0, 0, std::min(micro_batch, count - first)));
    }
  }
  TensorMap out;
  for (const auto& [name, tensors] : parts) out.emplace(name, at::cat(tensors));
  return out;
}

SegmentModel segment_model(std::shared_ptr<const Model> model, TensorMap condition, std::int64_t micro_batch,
                           const TensorMap& null_condition) {
  SegmentModel segment{std::move(model), std::move(condition)};
  segment.embedded = embed(*segment.model, segment.condition, micro_batch);
  if (!null_condition.empty()) segment.null_embedded = embed(*segment.model, null_condition, 1);
  return segment;
}

}  // namespace espalier::sampling
