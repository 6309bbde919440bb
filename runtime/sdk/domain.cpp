#include "runtime/sdk/domain.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include "runtime/base/errors.h"

namespace espalier {

Hex Conditions::digest() const {
  Value::List texts;
  for (const auto& line : text) texts.push_back(Value(line));
  Value content;
  content["tensors"] = digest_weights(tensors);
  content["null_tensors"] = digest_weights(null_tensors);
  content["text"] = Value(std::move(texts));
  content["metadata"] = Value(Value::List(metadata.begin(), metadata.end()));
  return espalier::digest(content);
}

Conditions Conditions::first(std::int64_t count) const {
  if (count >= size()) return *this;
  Conditions part{{}, null_tensors, {text.begin(), text.begin() + count}, {metadata.begin(), metadata.begin() + count}};
  for (const auto& [name, tensor] : tensors) part.tensors.emplace(name, tensor.narrow(0, 0, count));
  return part;
}

TensorMap Conditions::rows(const std::vector<std::int64_t>& which) const {
  for (const auto row : which) {
    if (row < 0 || row >= size())
      throw InternalError("condition " + std::to_string(row) + " of " + std::to_string(size()) + " was asked for");
  }
  const auto index = at::tensor(which, at::kLong);
  TensorMap out;
  for (const auto& [name, tensor] : tensors) out[name] = at::index_select(tensor, 0, index.to(tensor.device()));
  return out;
}

std::vector<std::string> Domain::canonical_keys(const Sample&) const {
  throw ConfigError("the domain gives samples of kind '" + sample_kind() + "' no canonical keys: it cannot say which of them are the same");
}

}  // namespace espalier
