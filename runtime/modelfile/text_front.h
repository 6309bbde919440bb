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

// The tokenizers that a model folder has: tokenizer/ and, of a model with two text encoders, tokenizer_2/.
std::vector<std::string> tokenizers_of(const std::filesystem::path& model);

// How a model turns texts into what its network takes: the folder's tokenizers. Immutable, shared by threads.
class TextFront {
 public:
  // `model`: a model folder with at least one tokenizer. Throws DataError.
  explicit TextFront(const std::filesystem::path& model);

  // SHA-256 of what determines ids: the contents of the files that are read. Enters keys.
  const Hex& digest() const { return digest_; }

  // A tokenizer, and its vocabulary's file, for messages.
  struct Named {
    std::string name;  // "tokenizer"
    ClipTokenizer tokenizer;
    std::string vocabulary;
  };
  const std::vector<Named>& tokenizers() const { return tokenizers_; }

  // "input_ids" [C, L] int64, of a second tokenizer "input_ids_2"; "text_role" [C] int64. Each text is encoded once and remembered.
  TensorMap tensors(const std::vector<std::string>& texts, network::TextRole role = network::TextRole::prompt) const;
  void save(const std::filesystem::path& model) const;  // the files, each durable, into new folders of a folder that is there

 private:
  at::Tensor ids(std::size_t which, const std::vector<std::string>& texts) const;

  std::vector<Named> tokenizers_;
  std::map<std::string, std::string> files_;  // content by "<tokenizer>/<name>"
  Hex digest_;
  mutable std::mutex mutex_;                                                   // of ids_
  mutable std::vector<std::map<std::string, std::vector<std::int64_t>>> ids_;  // of each tokenizer, by text
};

}  // namespace espalier::modelfile
