#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace espalier::modelfile {

// The text of each file of a tokenizer folder in CLIP's layout whose vocabulary is whole words: every word is one token. Other words fall
// into smaller tokens, letters that no word has become end-of-text, as in CLIP. A function of the words' order.
struct WordVocabulary {
  std::string vocab_json, merges_txt, tokenizer_config_json, special_tokens_map_json;
  std::int64_t size = 0;  // of the vocabulary: CLIPTextModel's vocab_size
};

// Throws DataError unless each word is one that CLIP's pattern leaves whole: lower-case letters only, say.
WordVocabulary make_word_vocabulary(const std::vector<std::string>& words, std::int64_t model_max_length);

// The same as files of an existing folder, which ClipTokenizer and transformers' CLIPTokenizer read to the same ids.
void write_word_vocabulary(const std::filesystem::path& folder, const std::vector<std::string>& words, std::int64_t model_max_length);

}  // namespace espalier::modelfile
