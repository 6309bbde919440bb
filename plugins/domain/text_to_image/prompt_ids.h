#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/modelfile/tokenizer.h"

namespace espalier::text_to_image {

// The token ids of a domain's prompts, and what is lost on the way to them.
class PromptIds {
 public:
  struct Rules {
    std::string vocabulary;  // the file, for messages
    bool refuses_long_prompts = false;
  };

  // Throws DataError, naming the prompt, for a character that the vocabulary has no tokens for and, where the rules say so, for a prompt
  // that is longer than the tokenizer's max_length().
  PromptIds(const modelfile::ClipTokenizer& tokenizer, const std::vector<std::string>& prompts, const Rules& rules);

  at::Tensor rows(const std::vector<std::string>& prompts) const;  // [C, L] int64, of prompts that the constructor was given
  at::Tensor null_row() const;                                     // [1, L], of the empty prompt

  // How many prompts are cut, and which have become one condition; a line each, none where nothing is lost.
  std::vector<std::string> notes() const;

 private:
  std::string cut_note() const;
  std::string equal_note() const;

  std::int64_t max_length_;
  std::vector<std::int64_t> null_ids_;
  std::map<std::string, modelfile::Encoding> encodings_;  // by prompt
};

}  // namespace espalier::text_to_image
