#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/modelfile/tokenizer.h"
#include "runtime/network/text_role.h"
#include "runtime/tensor/state.h"

namespace espalier::modelfile {

// Returns the tokenizers of a model folder: tokenizer/ and, for a model with two text encoders, tokenizer_2/.
std::vector<std::string> tokenizers_of(const std::filesystem::path& model);

// The tokenizers of a model folder, which turn texts into the tensors that its network takes. Immutable, thread-safe.
class TextFront {
 public:
  // `model`: a model folder with at least one tokenizer. Throws DataError.
  explicit TextFront(const std::filesystem::path& model);

  // SHA-256 of what determines the ids: the contents of the files that are read. It enters keys.
  const Hex& digest() const { return digest_; }

  // A tokenizer, and its vocabulary's file for messages.
  struct Named {
    std::string name;  // "tokenizer"
    ClipTokenizer tokenizer;
    std::string vocabulary;
  };
  const std::vector<Named>& tokenizers() const { return tokenizers_; }

  // Returns "input_ids" [C, L] int64, with a second tokenizer "input_ids_2"; "text_role" [C] int64. Encodings are remembered.
  TensorMap tensors(const std::vector<std::string>& texts, network::TextRole role = network::TextRole::prompt) const;
  void save(const std::filesystem::path& model) const;  // writes the files durably into new folders of an existing folder

 private:
  at::Tensor ids(std::size_t which, const std::vector<std::string>& texts) const;

  std::vector<Named> tokenizers_;
  std::map<std::string, std::string> files_;  // contents by "<tokenizer>/<name>"
  Hex digest_;
  mutable std::mutex mutex_;                                                   // of ids_
  mutable std::vector<std::map<std::string, std::vector<std::int64_t>>> ids_;  // of each tokenizer, by text
};

}  // namespace espalier::modelfile
