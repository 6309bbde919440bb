#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace espalier::modelfile {

// The files of a tokenizer folder, in the layout of CLIP's authors.
struct TokenizerFiles {
  // Texts by name: "vocab.json", "merges.txt", "tokenizer_config.json" and, where the folder has one, "special_tokens_map.json". Of a
  // folder with tokenizer.json alone, as transformers 5 saves it, the first two are made of it.
  std::map<std::string, std::string> contents;
  std::string vocabulary, merges;  // the paths that these two are from, for messages
};

// Returns the names of the files that the folder must have: those of CLIP's authors, or tokenizer.json for the first two of them where it
// has neither.
std::vector<std::string> required_tokenizer_files(const std::filesystem::path& folder);

// Throws DataError naming the file: where one cannot be read, or tokenizer.json holds no byte pairs of CLIP's kind.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder);

}  // namespace espalier::modelfile
