#pragma once

#include <memory>
#include <string>

#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier::network {

// transformers' CLIPTextModel as a function of named weights ("text_model.embeddings.token_embedding.weight", ..., behind a prefix).
// hidden_act "quick_gelu" or "gelu"; causal mask; final layer norm. Folders written by transformers 5 leave "text_model." out of the names:
// rename() brings them into this form.
class ClipText {
 public:
  ClipText(const Value& config, const std::string& origin);
  ~ClipText();
  ClipText(ClipText&&) noexcept;

  // input_ids [B, L] int64, below vocab_size; L at most max_position_embeddings. Gives last_hidden_state [B, L, hidden_size].
  at::Tensor forward(const TensorMap& weights, const std::string& prefix, const at::Tensor& input_ids) const;
  TensorMap initialize(const std::string& prefix, std::uint64_t seed) const;  // as transformers initialises a CLIP text model

  // Throws DataError naming origin and the first tensor behind the prefix that is missing, misshapen or unknown. Call it on what was read.
  void check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const;

  // The same weights with "text_model." in their names; without the position_ids that old folders hold.
  static TensorMap rename(TensorMap weights, const std::string& prefix);

  const Value& config() const;  // every key of transformers' config.json

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::network
