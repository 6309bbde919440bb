#include "runtime/modelfile/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/byte_pairs.h"
#include "runtime/modelfile/tokenizer_files.h"

namespace espalier::modelfile {
namespace {

constexpr std::int64_t kMaxTokens = 1 << 20;

std::map<std::string, std::int64_t> read_vocabulary(const std::string& text, const std::string& path) {
  const auto parsed = parse_json(text, path);
  if (!parsed.is_map()) throw DataError(path + ": expected an object from token to id");
  std::map<std::string, std::int64_t> vocabulary;
  for (const auto& [token, id] : parsed.as_map()) {
    if (!id.is_integer() || id.as_integer() < 0) throw DataError(fmt::format("{}: the id of '{}' is not an integer from 0", path, token));
    vocabulary[token] = id.as_integer();
  }
  return vocabulary;
}

MergeRanks read_merges(const std::string& text, const std::string& path, const std::map<std::string, std::int64_t>& vocabulary) {
  MergeRanks ranks;
  std::size_t line_number = 0;
  for (std::string_view rest(text); !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    ++line_number;
    if (line.empty() || line.starts_with("#version")) continue;
    const auto space = line.find(' ');
    const auto where = fmt::format("{}:{}", path, line_number);
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      throw DataError(where + ": a merge is two tokens with one space between them");
    }
    const std::pair pair{std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
    for (const auto& token : {pair.first, pair.second, pair.first + pair.second}) {
      if (!vocabulary.contains(token)) throw DataError(fmt::format("{}: the token '{}' is not in the vocabulary", where, token));
    }
    ranks.emplace(pair, static_cast<std::int64_t>(ranks.size()));
  }
  return ranks;
}

// Returns a special token's text. The config has a string, or an object with its "content".
std::string special_text(const Value& config, const std::string& key, const std::string& origin) {
  const auto* value = config.find(key);
  if (value == nullptr || value->is_null()) return key == "bos_token" ? "<|startoftext|>" : "<|endoftext|>";
  const auto* content = value->is_map() ? value->find("content") : value;
  if (content == nullptr || !content->is_string())
    throw DataError(fmt::format("{}: {} is neither a string nor an object with its content", origin, key));
  return content->as_string();
}

}  // namespace

ClipTokenizer::ClipTokenizer(const std::filesystem::path& folder) : origin_(folder.string()) {
  const auto files = read_tokenizer_files(folder);
  vocabulary_ = read_vocabulary(files.contents.at("vocab.json"), files.vocabulary);
  rank_ = read_merges(files.contents.at("merges.txt"), files.merges, vocabulary_);
  const auto path = (folder / "tokenizer_config.json").string();
  const auto config = parse_json(files.contents.at("tokenizer_config.json"), path);
  const auto* length = config.find("model_max_length");
  if (length == nullptr || !length->is_integer() || length->as_integer() < 2 || length->as_integer() > kMaxTokens) {
    throw DataError(fmt::format("{}: model_max_length must be an integer from 2 to {}", path, kMaxTokens));
  }
  max_length_ = length->as_integer();
  read_special_tokens(folder, config, path);
}

void ClipTokenizer::read_special_tokens(const std::filesystem::path& folder, const Value& config, const std::string& config_path) {
  const auto map_path = folder / "special_tokens_map.json";
  const bool has_map = std::filesystem::is_regular_file(map_path) && !config.contains("added_tokens_decoder");
  const auto map = has_map ? parse_json(read_file(map_path), map_path.string()) : Value();
  for (const auto& [key, id] :
       {std::pair{"bos_token", &start_}, std::pair{"eos_token", &end_}, std::pair{"pad_token", &pad_}, std::pair{"unk_token", &unknown_}}) {
    auto token = special_text(config, key, config_path);
    if (map.contains(key)) {
      auto mapped = special_text(map, key, map_path.string());
      if (mapped != token) changed_special_tokens_[key] = mapped;
      token = std::move(mapped);
    }
    *id = special_[token] = special(token);
  }
}

std::int64_t ClipTokenizer::special(const std::string& token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) throw DataError(fmt::format("{}: the vocabulary lacks the special token '{}'", origin_, token));
  return found->second;
}

// Returns the character with the first byte that has no token; "" if all have one.
std::string ClipTokenizer::unknown_character(const std::string& word) const {
  const auto symbols = byte_symbols(word);
  const auto lacking = std::ranges::find_if(symbols, [this](const auto& symbol) { return !vocabulary_.contains(symbol); });
  if (lacking == symbols.end()) return "";
  const auto inside = [&word](std::size_t at) { return at < word.size() && (static_cast<unsigned char>(word[at]) & 0xc0) == 0x80; };
  auto begin = static_cast<std::size_t>(lacking - symbols.begin()), end = begin + 1;
  while (inside(begin)) --begin;
  while (inside(end)) ++end;
  return word.substr(begin, end - begin);
}

void ClipTokenizer::append_words(const std::string& text, Encoding& encoding) const {
  for (const auto& word : split_text(text)) {
    for (const auto& symbol : merge_pairs(byte_symbols(word), rank_)) {
      const auto found = vocabulary_.find(symbol);
      encoding.ids.push_back(found == vocabulary_.end() ? unknown_ : found->second);
      if (found == vocabulary_.end() && encoding.unknown.empty()) encoding.unknown = unknown_character(word);
    }
  }
}

Encoding ClipTokenizer::encode(const std::string& text) const {
  Encoding encoding;
  auto& ids = encoding.ids;
  ids.push_back(start_);
  // A text may contain special tokens; the text between them is split into words.
  for (std::size_t position = 0; position < text.size();) {
    std::size_t next = std::string::npos;
    const std::pair<const std::string, std::int64_t>* which = nullptr;
    for (const auto& entry : special_) {
      const auto found = text.find(entry.first, position);
      const bool better = found < next || (found == next && which != nullptr && entry.first.size() > which->first.size());
      if (found != std::string::npos && better) {
        next = found;
        which = &entry;
      }
    }
    append_words(text.substr(position, next - position), encoding);
    if (which == nullptr) break;
    ids.push_back(which->second);
    position = next + which->first.size();
  }
  encoding.num_tokens = static_cast<std::int64_t>(ids.size()) + 1;
  ids.resize(std::min(ids.size(), static_cast<std::size_t>(max_length_ - 1)));
  ids.push_back(end_);
  ids.resize(static_cast<std::size_t>(max_length_), pad_);
  return encoding;
}

}  // namespace espalier::modelfile
