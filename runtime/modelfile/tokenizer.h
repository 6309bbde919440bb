#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/value.h"

namespace espalier::modelfile {

// The token ids of a text, and what they lose of it.
struct Encoding {
  std::vector<std::int64_t> ids;  // max_length() of them
  std::int64_t num_tokens = 0;    // of the whole text, with start and end; those beyond max_length() are cut
  std::string unknown;            // the first character for which the vocabulary has no tokens; "": none
};

// CLIP's byte-pair tokenizer, from a folder with vocab.json, merges.txt and tokenizer_config.json (tokenizer_files.h). Texts are put into
// Unicode's normal form C, lower-cased, and their whitespace is folded. Ids begin with `<|startoftext|>`, end with `<|endoftext|>` and are
// padded with pad_token (CLIP: end of text; SD 2: "!") to model_max_length; longer texts are cut. The ids are those of transformers'
// CLIPTokenizer. As there, special_tokens_map.json, if the folder has one, takes precedence over the config unless that has an
// "added_tokens_decoder", and a text may contain special tokens: if "!" is the pad token, a prompt's "!" has the pad token's id.
class ClipTokenizer {
 public:
  explicit ClipTokenizer(const std::filesystem::path& folder);  // throws DataError
  Encoding encode(const std::string& text) const;               // throws DataError for invalid UTF-8
  std::int64_t max_length() const { return max_length_; }
  std::int64_t vocabulary_size() const { return static_cast<std::int64_t>(vocabulary_.size()); }
  // The special tokens that special_tokens_map.json changes, {"pad_token": "!"}; usually none.
  const Value& changed_special_tokens() const { return changed_special_tokens_; }

 private:
  void read_special_tokens(const std::filesystem::path& folder, const Value& config, const std::string& config_path);
  std::int64_t special(const std::string& token) const;
  void append_words(const std::string& text, Encoding& encoding) const;
  std::string unknown_character(const std::string& word) const;
  std::map<std::string, std::int64_t> vocabulary_;
  std::map<std::pair<std::string, std::string>, std::int64_t> rank_;
  std::map<std::string, std::int64_t> special_;  // tokens that a text may contain
  Value changed_special_tokens_ = Value::Map{};
  std::string origin_;
  std::int64_t max_length_ = 77;
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::int64_t pad_ = 0;
  std::int64_t unknown_ = 0;
};

}  // namespace espalier::modelfile
