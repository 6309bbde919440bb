#include "runtime/exec/embeddings.h"

#include <ATen/ops/stack.h>

#include "runtime/exec/context.h"
#include "runtime/sampling/embedding.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::exec {

ConditionEmbeddings::ConditionEmbeddings(BlockCache& cache, std::shared_ptr<const Model> model, EncodedConditions conditions,
                                         std::int64_t micro_batch, at::Device device)
    : cache_(cache),
      model_(std::move(model)),
      conditions_(std::move(conditions)),
      digest_(digest(Value::List{digest_weights(conditions_.tensors), digest_weights(conditions_.null_tensors)})),
      count_(conditions_.tensors.empty() ? 0 : conditions_.tensors.begin()->second.size(0)),
      micro_batch_(micro_batch),
      device_(device) {}

SegmentModel ConditionEmbeddings::at(const std::vector<std::int64_t>& conditions) const {
  SegmentModel segment{model_, tensor::on(device_, tensor::rows(conditions_.tensors, conditions))};
  segment.embedded = embedded_rows(conditions);
  if (!conditions_.null_tensors.empty()) segment.null_embedded = *embedded("null condition", 0, conditions_.null_tensors);
  return segment;
}

std::shared_ptr<const TensorMap> ConditionEmbeddings::embedded(const char* which, std::uint64_t pass, const TensorMap& condition) const {
  const std::string what = which + std::string(" embedded by ") + model_identity(model_->info);
  return cache_.get<TensorMap>({what, digest_, pass, micro_batch_}, [&]() -> std::pair<TensorMap, std::int64_t> {
    auto made = sampling::embed(*model_, tensor::on(device_, condition), condition.begin()->second.size(0));
    const auto bytes = tensor::bytes_of(made);
    return {std::move(made), bytes};
  });
}

TensorMap ConditionEmbeddings::embedded_rows(const std::vector<std::int64_t>& conditions) const {
  if (count_ == 0) return sampling::embed(*model_, {}, micro_batch_);
  std::map<std::string, std::vector<at::Tensor>> rows;
  std::shared_ptr<const TensorMap> pass;
  std::int64_t number_of_pass = -1;
  for (const auto number : conditions) {
    if (number / micro_batch_ != number_of_pass) {
      number_of_pass = number / micro_batch_;
      const auto which = sampling::rows_of_pass(number_of_pass * micro_batch_, micro_batch_, count_);
      pass = embedded("conditions", static_cast<std::uint64_t>(number_of_pass), tensor::rows(conditions_.tensors, which));
    }
    for (const auto& [name, tensor] : *pass) rows[name].push_back(tensor[number % micro_batch_]);
  }
  TensorMap out;
  for (const auto& [name, tensors] : rows) out.emplace(name, at::stack(tensors));
  return out;
}

}  // namespace espalier::exec
