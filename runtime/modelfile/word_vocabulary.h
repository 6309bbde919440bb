#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace espalier::modelfile {

// The texts of the files of a tokenizer folder in CLIP's layout whose vocabulary has each word as one token. Other words are split into
// smaller tokens, and letters of no word become end-of-text, as in CLIP. The files depend on the order of the words.
struct WordVocabulary {
  std::string vocab_json, merges_txt, tokenizer_config_json, special_tokens_map_json;
  std::int64_t size = 0;  // of the vocabulary: CLIPTextModel's vocab_size
};

// Throws DataError if CLIP's pattern would split a word; it does not split words of lower-case letters.
WordVocabulary make_word_vocabulary(const std::vector<std::string>& words, std::int64_t model_max_length);

// Writes these files into an existing folder. ClipTokenizer and transformers' CLIPTokenizer give the same ids with them.
void write_word_vocabulary(const std::filesystem::path& folder, const std::vector<std::string>& words, std::int64_t model_max_length);

}  // namespace espalier::modelfile
