#include "runtime/modelfile/tokenizer_files.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

constexpr const char *kVocabulary = "vocab.json", *kMerges = "merges.txt", *kConfig = "tokenizer_config.json",
                     *kSpecial = "special_tokens_map.json", *kWhole = "tokenizer.json";

bool has_whole_alone(const fs::path& folder) {
  return fs::is_regular_file(folder / kWhole) && !fs::exists(folder / kVocabulary) && !fs::exists(folder / kMerges);
}

// Returns a merge, ["a", "b"] or, as older versions write it, "a b", as a line of merges.txt.
std::string line_of(const Value& merge, const std::string& origin) {
  if (merge.is_string()) return merge.as_string() + "\n";
  if (!merge.is_list() || merge.as_list().size() != 2 || !merge.as_list()[0].is_string() || !merge.as_list()[1].is_string()) {
    throw DataError(fmt::format("{}: the merge {} is not two tokens", origin, to_json(merge)));
  }
  return merge.as_list()[0].as_string() + " " + merge.as_list()[1].as_string() + "\n";
}

// {"model": {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {token: id}, "merges": [...]}, ...}
void read_whole(const fs::path& path, std::map<std::string, std::string>& contents) {
  const auto origin = path.string();
  const auto parsed = parse_json(read_file(path), origin);
  const auto* model = parsed.is_map() ? parsed.find("model") : nullptr;
  const auto is = [&](const char* key, const char* text) {
    const auto* value = model != nullptr && model->is_map() ? model->find(key) : nullptr;
    return value != nullptr && *value == Value(text);
  };
  if (!is("type", "BPE") || !is("end_of_word_suffix", "</w>")) {
    throw DataError(origin + ": its model is not of type \"BPE\" with end_of_word_suffix \"</w>\", which CLIP's tokenizers are");
  }
  const auto *vocabulary = model->find("vocab"), *merges = model->find("merges");
  if (vocabulary == nullptr || merges == nullptr || !merges->is_list()) throw DataError(origin + ": its model lacks vocab or merges");
  contents[kVocabulary] = to_json(*vocabulary);
  auto& lines = contents[kMerges];
  for (const auto& merge : merges->as_list()) lines += line_of(merge, origin);
}

}  // namespace

std::vector<std::string> required_tokenizer_files(const fs::path& folder) {
  if (has_whole_alone(folder)) return {kWhole, kConfig};
  return {kVocabulary, kMerges, kConfig};
}

TokenizerFiles read_tokenizer_files(const fs::path& folder) {
  const bool whole = has_whole_alone(folder);
  TokenizerFiles files{{},
                       (folder / (whole ? kWhole : kVocabulary)).string(),
                       whole ? (folder / kWhole).string() + ", merges" : (folder / kMerges).string()};
  if (whole) read_whole(folder / kWhole, files.contents);
  for (const char* name : {kVocabulary, kMerges, kConfig, kSpecial}) {
    if (files.contents.contains(name) || (name == kSpecial && !fs::is_regular_file(folder / name))) continue;
    files.contents[name] = read_file(folder / name);
  }
  return files;
}

}  // namespace espalier::modelfile
