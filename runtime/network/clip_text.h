#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier::network {

// transformers' CLIPTextModel, and its CLIPTextModelWithProjection where the config's `architectures` names that, as a function of named
// weights ("text_model.embeddings.token_embedding.weight", ..., "text_projection.weight", behind a prefix). hidden_act "quick_gelu" or
// "gelu"; causal mask, no padding mask. Folders written by transformers 5 leave "text_model." out of the names: rename() brings them into
// this form.
class ClipText {
 public:
  struct Output {
    std::vector<at::Tensor> hidden_states;  // [B, L, hidden_size]: the embeddings, then what each layer gives; without the final layer norm
    at::Tensor text_embeds;  // [B, projection_dim]: the projection of the normed state at the end token; undefined without one
  };

  ClipText(const Value& config, const std::string& origin);
  ~ClipText();
  ClipText(ClipText&&) noexcept;

  // input_ids [B, L] int64, below vocab_size; L at most max_position_embeddings. The end token is the first one with the row's largest id,
  // as transformers finds it for these files, whose eos_token_id is wrong.
  Output forward(const TensorMap& weights, const std::string& prefix, const at::Tensor& input_ids) const;
  // Of hidden_states.back() it gives transformers' last_hidden_state.
  at::Tensor final_layer_norm(const TensorMap& weights, const std::string& prefix, const at::Tensor& hidden_state) const;

  TensorMap initialize(const std::string& prefix, std::uint64_t seed) const;  // as transformers initialises a CLIP text model

  // Throws DataError naming origin and the first tensor behind the prefix that is missing, misshapen or unknown. Call it on what was read.
  void check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const;

  // The same weights with "text_model." in their names; without the position_ids that old folders hold.
  static TensorMap rename(TensorMap weights, const std::string& prefix);

  const Value& config() const;  // every key of transformers' config.json
  bool has_projection() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::network
