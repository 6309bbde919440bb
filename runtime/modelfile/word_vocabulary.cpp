#include "runtime/modelfile/word_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/byte_pairs.h"

namespace espalier::modelfile {
namespace {

constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";
constexpr const char* kWordEnd = "</w>";

void check_word(const std::string& word) {
  if (split_text(word) != std::vector<std::string>{word}) {
    throw DataError(
        fmt::format("'{}' is no word of a vocabulary: it must be lower-case letters without a space, a hyphen or an apostrophe", word));
  }
}

// Returns the symbols of the words' bytes, each inside a word and at the end of a word.
std::vector<std::string> single_symbols(const std::vector<std::string>& words) {
  std::vector<std::string> inside;
  for (const auto& word : words) {
    for (auto symbol : byte_symbols(word)) {
      if (symbol.ends_with(kWordEnd)) symbol.resize(symbol.size() - std::string_view(kWordEnd).size());
      inside.push_back(std::move(symbol));
    }
  }
  std::ranges::sort(inside);
  inside.erase(std::ranges::unique(inside).begin(), inside.end());
  auto symbols = inside;
  for (const auto& symbol : inside) symbols.push_back(symbol + kWordEnd);
  return symbols;
}

}  // namespace

WordVocabulary make_word_vocabulary(const std::vector<std::string>& words, std::int64_t model_max_length) {
  for (const auto& word : words) check_word(word);
  auto tokens = single_symbols(words);
  MergeRanks ranks;
  std::string merges = "#version: 0.2\n";
  for (const auto& word : words) {
    // Joins from its start the symbols that the merges of earlier words leave of this word. Later merges have higher ranks, so that they
    // cannot undo an earlier word.
    for (auto symbols = merge_pairs(byte_symbols(word), ranks); symbols.size() > 1; symbols = merge_pairs(byte_symbols(word), ranks)) {
      ranks.emplace(std::pair{symbols[0], symbols[1]}, static_cast<std::int64_t>(ranks.size()));
      merges += symbols[0] + " " + symbols[1] + "\n";
      const auto joined = symbols[0] + symbols[1];
      if (std::ranges::find(tokens, joined) == tokens.end()) tokens.push_back(joined);
    }
  }
  tokens.emplace_back(kStart);
  tokens.emplace_back(kEnd);
  Value vocabulary;
  for (std::size_t i = 0; i < tokens.size(); ++i) vocabulary[tokens[i]] = static_cast<std::int64_t>(i);
  Value::Map special{{"bos_token", kStart}, {"eos_token", kEnd}, {"pad_token", kEnd}, {"unk_token", kEnd}};
  auto config = special;
  config["model_max_length"] = model_max_length;
  config["tokenizer_class"] = "CLIPTokenizer";
  return {to_json(vocabulary, 2) + "\n", merges, to_json(config, 2) + "\n", to_json(special, 2) + "\n",
          static_cast<std::int64_t>(tokens.size())};
}

void write_word_vocabulary(const std::filesystem::path& folder, const std::vector<std::string>& words, std::int64_t model_max_length) {
  const auto files = make_word_vocabulary(words, model_max_length);
  replace_file(folder / "vocab.json", files.vocab_json);
  replace_file(folder / "merges.txt", files.merges_txt);
  replace_file(folder / "tokenizer_config.json", files.tokenizer_config_json);
  replace_file(folder / "special_tokens_map.json", files.special_tokens_map_json);
}

}  // namespace espalier::modelfile
