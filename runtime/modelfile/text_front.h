#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/modelfile/tokenizer.h"
#include "runtime/tensor/state.h"

namespace espalier::modelfile {

// How a model turns texts into what its network takes: the folder's tokenizer/. Immutable, shared by threads.
class TextFront {
 public:
  // `folder`: tokenizer/ of a model folder. Throws DataError.
  explicit TextFront(const std::filesystem::path& folder);

  // SHA-256 of what determines ids: the contents of the files that are read. Enters keys.
  const Hex& digest() const { return digest_; }
  const ClipTokenizer& tokenizer() const { return tokenizer_; }
  const std::string& vocabulary() const { return vocabulary_; }  // the file, for messages

  // "input_ids" [C, L] int64. Each text is encoded once and remembered.
  TensorMap tensors(const std::vector<std::string>& texts) const;
  void save(const std::filesystem::path& folder) const;  // the files, into a folder that is there, each durable

 private:
  ClipTokenizer tokenizer_;
  std::string vocabulary_;
  std::map<std::string, std::string> files_;  // by name
  Hex digest_;
  mutable std::mutex mutex_;                                      // of ids_
  mutable std::map<std::string, std::vector<std::int64_t>> ids_;  // by text
};

}  // namespace espalier::modelfile
