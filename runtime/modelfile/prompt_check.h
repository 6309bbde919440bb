#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/modelfile/tokenizer.h"

namespace espalier::modelfile {

// Checks which prompts lose information when a model's tokenizers turn them into token ids (text_front.h).
class PromptCheck {
 public:
  struct Rules {
    std::string model;       // the beginning of messages: "[models]: base"
    std::string vocabulary;  // the vocabulary's file, for messages
    bool refuses_long_prompts = false;
  };

  // `tokenizers` are the model's, with the same max_length(). Throws DataError, naming the prompt, if a vocabulary has no tokens for a
  // character or, with Rules::refuses_long_prompts, if a prompt is longer than max_length() by any of the tokenizers.
  PromptCheck(const std::vector<ClipTokenizer>& tokenizers, const std::vector<std::string>& prompts, const Rules& rules);

  // Returns one line on the prompts that are cut and one on different prompts that become one condition; no lines if nothing is lost.
  std::vector<std::string> notes() const;

 private:
  std::string cut_note() const;
  std::string equal_note() const;

  std::int64_t max_length_;
  std::map<std::string, Encoding> encodings_;  // by prompt
};

}  // namespace espalier::modelfile
