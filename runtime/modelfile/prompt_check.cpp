#include "runtime/modelfile/prompt_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier::modelfile {
namespace {

constexpr std::size_t kNamed = 3;    // prompts, or groups of prompts, that a note names
constexpr std::size_t kShown = 160;  // bytes of a prompt that a message shows

std::string quoted(const std::string& prompt) {
  auto end = std::min(prompt.size(), kShown);
  while (end < prompt.size() && (static_cast<unsigned char>(prompt[end]) & 0xc0) == 0x80) --end;  // not inside a character
  return "'" + prompt.substr(0, end) + (end < prompt.size() ? "...'" : "'");
}

// Returns "U+0033" for one character, in UTF-8.
std::string code_point(const std::string& character) {
  std::uint32_t point = 0;
  for (std::size_t i = 0; i < character.size(); ++i) {
    const auto byte = static_cast<unsigned char>(character[i]);
    point = i != 0 ? point << 6 | (byte & 0x3fu) : character.size() == 1 ? byte : byte & (0x7fu >> character.size());
  }
  return fmt::format("U+{:04X}", point);
}

// "a, b and 4 more"
std::string first_few(const std::vector<std::string>& items) {
  std::string list;
  for (std::size_t i = 0; i < std::min(items.size(), kNamed); ++i) list += (i == 0 ? "" : ", ") + items[i];
  return items.size() > kNamed ? fmt::format("{} and {} more", list, items.size() - kNamed) : list;
}

// Encodes a prompt with all tokenizers: concatenates their ids, and takes the largest number of tokens.
Encoding encode(const std::vector<ClipTokenizer>& tokenizers, const std::string& prompt) {
  Encoding all;
  for (const auto& tokenizer : tokenizers) {
    auto one = tokenizer.encode(prompt);
    all.ids.insert(all.ids.end(), one.ids.begin(), one.ids.end());
    all.num_tokens = std::max(all.num_tokens, one.num_tokens);
    if (all.unknown.empty()) all.unknown = std::move(one.unknown);
  }
  return all;
}

}  // namespace

PromptCheck::PromptCheck(const std::vector<ClipTokenizer>& tokenizers, const std::vector<std::string>& prompts, const Rules& rules)
    : max_length_(tokenizers.front().max_length()) {
  for (const std::string& prompt : prompts) {
    Encoding encoding = encode(tokenizers, prompt);
    if (!encoding.unknown.empty()) {
      throw DataError(
          fmt::format("{}: the prompt {} has the character '{}' ({}), which {} has no token for; spell the prompt otherwise, "
                      "or take a model whose vocabulary has it",
                      rules.model, quoted(prompt), encoding.unknown, code_point(encoding.unknown), rules.vocabulary));
    }
    if (rules.refuses_long_prompts && encoding.num_tokens > max_length_) {
      throw DataError(
          fmt::format("{}: the prompt {} has {} tokens, the model takes {}; shorten it, or set "
                      "on_prompt_overflow = \"truncate\" to have it cut",
                      rules.model, quoted(prompt), encoding.num_tokens, max_length_));
    }
    encodings_.emplace(prompt, std::move(encoding));
  }
}

std::vector<std::string> PromptCheck::notes() const {
  std::vector<std::string> notes{cut_note(), equal_note()};
  std::erase(notes, "");
  return notes;
}

std::string PromptCheck::cut_note() const {
  std::vector<std::string> cut;
  for (const auto& [prompt, encoding] : encodings_) {
    if (encoding.num_tokens > max_length_) cut.push_back(quoted(prompt) + fmt::format(" ({} tokens)", encoding.num_tokens));
  }
  if (cut.empty()) return "";
  return fmt::format("{} of {} prompts are cut at {} tokens: {}", cut.size(), encodings_.size(), max_length_, first_few(cut));
}

std::string PromptCheck::equal_note() const {
  std::map<std::vector<std::int64_t>, std::vector<std::string>> by_ids;
  for (const auto& [prompt, encoding] : encodings_) by_ids[encoding.ids].push_back(prompt);
  const auto is_cut = [this](const std::string& prompt) { return encodings_.at(prompt).num_tokens > max_length_; };
  std::vector<std::string> groups;
  std::size_t equal = 0;
  for (const auto& [ids, prompts] : by_ids) {
    if (prompts.size() < 2) continue;
    equal += prompts.size();
    const bool cut = std::ranges::any_of(prompts, is_cut);
    groups.push_back(fmt::format("{} and {}{} ({})", quoted(prompts[0]), quoted(prompts[1]), prompts.size() > 2 ? " and others" : "",
                                 cut ? "cut" : "they differ in case, spaces or Unicode form only"));
  }
  if (groups.empty()) return "";
  return fmt::format("{} different prompts have become {} condition{}: {}", equal, groups.size(), groups.size() == 1 ? "" : "s",
                     first_few(groups));
}

}  // namespace espalier::modelfile
