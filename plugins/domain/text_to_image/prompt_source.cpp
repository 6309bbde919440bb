#include "plugins/domain/text_to_image/prompt_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "plugins/domain/text_to_image/prompt_file.h"
#include "plugins/domain/text_to_image/published_prompts.h"
#include "plugins/shared/folder/data.h"
#include "plugins/shared/folder/files.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::text_to_image {
namespace {

constexpr const char* kPlugin = "domain.text_to_image";
constexpr std::int64_t kDefaultResolution = 512;  // Stable Diffusion's

std::string count_of(std::int64_t count, const std::string& noun) { return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s"); }

// Up to ten prompts, as a person reads them.
std::string quoted(const std::vector<std::string>& prompts) {
  constexpr std::size_t kShown = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, prompts.size()); ++i) text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", prompts[i]);
  if (prompts.size() > kShown) text += fmt::format(" and {} more", prompts.size() - kShown);
  return text;
}

// What two prompts share that differ in case (of ASCII), white space or a full stop at the end alone.
std::string likeness(const std::string& prompt) {
  std::string words;
  for (const char c : folder::lower_case(prompt)) {
    if (kWhiteSpace.find(c) == std::string_view::npos) {
      words += c;
    } else if (!words.empty() && words.back() != ' ') {
      words += ' ';
    }
  }
  while (!words.empty() && (words.back() == '.' || words.back() == ' ')) words.pop_back();
  return words;
}

PromptList read_list(const std::string& entry, const std::string& split, const std::string& column) {
  if (is_published(entry)) return published_prompts(entry, split);
  if (std::filesystem::path(entry).extension().empty()) {
    throw ConfigError(fmt::format("{}: {} names '{}', which is neither a file (.txt, .jsonl, .csv, .tsv) nor a published list{}", kPlugin,
                                  split, entry, did_you_mean(entry, published_names())));
  }
  return read_prompt_file(folder::find_data(entry, kPlugin, folder::DataKind::file, fmt::format("{}: \"{}\"", split, entry)), column);
}

class PromptSource final : public images::Source {
 public:
  PromptSource(const PromptLists& lists, std::int64_t resolution) : resolution_(resolution == 0 ? kDefaultResolution : resolution) {
    add_split("train", lists.train, lists.column);
    add_split("held_out", lists.held_out, lists.column);
    if (prompts_.size() == 2) check_overlap(lists.may_overlap);
  }

  std::int64_t channels() const override { return 3; }
  std::int64_t height() const override { return resolution_; }
  std::int64_t width() const override { return resolution_; }
  std::vector<std::string> splits() const override {
    std::vector<std::string> names;
    for (const char* split : {"train", "held_out"}) {
      if (prompts_.contains(split)) names.emplace_back(split);
    }
    return names;
  }
  std::vector<std::string> notes() const override { return notes_; }
  images::Captions captions(const std::string& split) const override { return prompts_.at(split); }

  bool has_images() const override { return false; }
  std::unique_ptr<images::Images> images(const std::string&) const override {
    throw ConfigError(
        fmt::format("{}: its data are prompts without images: there are no examples to train on or to compare with; train on a "
                    "selection of sampled trajectories, or take prompts = \"folder\"",
                    kPlugin));
  }

 private:
  void add_split(const std::string& split, const std::vector<std::string>& entries, const std::string& column) {
    if (entries.empty()) return;
    PromptList all;
    for (const auto& entry : entries) all.append(read_list(entry, split, column));
    images::Captions& kept = prompts_[split];
    std::set<std::string> seen;
    std::vector<std::string> repeated;
    for (std::size_t i = 0; i < all.text.size(); ++i) {
      if (!seen.insert(all.text[i]).second) {
        repeated.push_back(all.text[i]);
        continue;
      }
      kept.text.push_back(all.text[i]);
      kept.metadata.push_back(std::move(all.metadata[i]));
    }
    note_reading(split, all, repeated);
  }

  void note_reading(const std::string& split, const PromptList& all, const std::vector<std::string>& repeated) {
    const auto note = [&](std::int64_t count, const std::string& noun, const std::string& rest) {
      if (count > 0) notes_.push_back(fmt::format("{}: {} {}", split, count_of(count, noun), rest));
    };
    note(std::ssize(repeated), "prompt", fmt::format("of {} left out: equal to one before: {}", all.text.size(), quoted(repeated)));
    note(all.carriage_returns, "line", "with a carriage return at the end, read without it");
    note(all.empty_lines, "empty line", "passed over");
    note(all.byte_order_marks, "byte order mark", "passed over");
  }

  void check_overlap(bool may_overlap) {
    std::set<std::string> trained;
    for (const auto& prompt : prompts_.at("train").text) trained.insert(likeness(prompt));
    std::vector<std::string> both;
    const auto& held_out = prompts_.at("held_out").text;
    std::ranges::copy_if(held_out, std::back_inserter(both), [&](const std::string& prompt) { return trained.contains(likeness(prompt)); });
    if (both.empty()) return;
    const auto found = fmt::format("{} of held_out {} in train too (but for case, white space or a full stop at the end): {}",
                                   count_of(std::ssize(both), "prompt"), both.size() == 1 ? "is" : "are", quoted(both));
    if (!may_overlap) {
      throw DataError(
          fmt::format("{}: {}; take them out of one of the two, or set on_overlap = \"note\" to go on with them", kPlugin, found));
    }
    notes_.push_back(found);
  }

  std::int64_t resolution_;
  std::map<std::string, images::Captions> prompts_;  // by split
  std::vector<std::string> notes_;
};

}  // namespace

std::unique_ptr<images::Source> make_prompt_source(const PromptLists& lists, std::int64_t resolution) {
  return std::make_unique<PromptSource>(lists, resolution);
}

}  // namespace espalier::text_to_image
