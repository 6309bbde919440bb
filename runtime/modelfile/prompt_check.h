#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/modelfile/tokenizer.h"

namespace espalier::modelfile {

// What of prompts is lost on the way to the token ids that a model's tokenizer gives them (text_front.h).
class PromptCheck {
 public:
  struct Rules {
    std::string model;       // what messages begin with: "[models]: base"
    std::string vocabulary;  // the file, for messages
    bool refuses_long_prompts = false;
  };

  // `tokenizers`: the model's, of one max_length(). Throws DataError, naming the prompt, for a character that a vocabulary has no tokens
  // for and, with Rules::refuses_long_prompts, for a prompt that is longer than max_length() by any of them.
  PromptCheck(const std::vector<ClipTokenizer>& tokenizers, const std::vector<std::string>& prompts, const Rules& rules);

  // How many prompts are cut, and which have become one condition; a line each, none where nothing is lost.
  std::vector<std::string> notes() const;

 private:
  std::string cut_note() const;
  std::string equal_note() const;

  std::int64_t max_length_;
  std::map<std::string, Encoding> encodings_;  // by prompt
};

}  // namespace espalier::modelfile
