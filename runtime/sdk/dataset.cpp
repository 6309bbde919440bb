#include "runtime/sdk/dataset.h"

#include "runtime/base/errors.h"
#include "runtime/modelfile/model.h"
#include "runtime/tensor/tensor_map.h"

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

Conditions Conditions::rows(const std::vector<std::int64_t>& which) const {
  Conditions out{{}, null_tensors, {}, {}};
  for (const auto row : which) {
    if (row < 0 || row >= size())
      throw InternalError("condition " + std::to_string(row) + " of " + std::to_string(size()) + " was asked for");
    out.text.push_back(text[static_cast<std::size_t>(row)]);
    out.metadata.push_back(metadata[static_cast<std::size_t>(row)]);
  }
  out.tensors = tensor::rows(tensors, which);
  return out;
}

}  // namespace espalier
