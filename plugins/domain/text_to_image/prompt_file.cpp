#include "plugins/domain/text_to_image/prompt_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "plugins/domain/text_to_image/delimited.h"
#include "plugins/shared/folder/files.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/suggest.h"
#include "runtime/base/text.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 30;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kWhiteSpace) + 1 - first));
}

std::string at_line(const fs::path& file, std::int64_t line) { return fmt::format("{}:{}", file.string(), line); }

std::string ending(const fs::path& file) { return folder::lower_case(file.extension().string()); }

// Other encodings are refused: read as UTF-8 they would be other prompts.
void check_encoding(const fs::path& file, std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw DataError(file.string() + ":1: begins with the byte order mark of UTF-16; save the file as UTF-8");
  }
  const auto lines = split_lines(text).lines;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto where = at_line(file, static_cast<std::int64_t>(i) + 1);
    if (lines[i].find('\0') != std::string_view::npos)
      throw DataError(where + ": has a NUL byte, which no text has; save the file as UTF-8");
    if (!is_utf8(std::string(lines[i]))) {
      throw DataError(fmt::format("{}: is not valid UTF-8: '{}'; save the file as UTF-8", where, as_utf8(std::string(lines[i]))));
    }
  }
}

void read_lines(std::string_view text, PromptList& list) {
  const auto lines = split_lines(text);
  list.carriage_returns = lines.carriage_returns;
  for (const auto line : lines.lines) {
    auto prompt = trimmed(line);
    if (prompt.empty()) {
      ++list.empty_lines;
    } else {
      list.add(std::move(prompt), {});
    }
  }
}

void add_object(const std::string& where, std::string_view line, const std::string& column, PromptList& list) {
  const Value value = parse_json(line, where);
  if (!value.is_map())
    throw DataError(fmt::format("{}: a line is an object, {{\"{}\": \"...\"}}; found a {}", where, column, value.type_name()));
  Value::Map about = value.as_map();
  const auto found = about.find(column);
  if (found == about.end()) {
    std::vector<std::string> keys;
    for (const auto& [key, other] : about) keys.push_back(key);
    throw DataError(fmt::format("{}: no key '{}'{}; prompt_column names the prompt's key", where, column, did_you_mean(column, keys)));
  }
  if (!found->second.is_string())
    throw DataError(fmt::format("{}: '{}' is a text; found a value of type {}", where, column, found->second.type_name()));
  auto prompt = trimmed(found->second.as_string());
  if (prompt.empty()) throw DataError(fmt::format("{}: '{}' is empty; a prompt has at least a word", where, column));
  about.erase(found);
  list.add(std::move(prompt), Value(std::move(about)));
}

void read_objects(const fs::path& file, std::string_view text, const std::string& column, PromptList& list) {
  const auto lines = split_lines(text);
  list.carriage_returns = lines.carriage_returns;
  for (std::size_t i = 0; i < lines.lines.size(); ++i) {
    if (trimmed(lines.lines[i]).empty()) {
      ++list.empty_lines;
    } else {
      add_object(at_line(file, static_cast<std::int64_t>(i) + 1), lines.lines[i], column, list);
    }
  }
}

// The place of the prompt's column in a header whose names are all there and different.
std::size_t prompt_place(const fs::path& file, const Row& header, const std::string& column) {
  const auto where = at_line(file, header.line);
  const auto& names = header.fields;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty())
      throw DataError(fmt::format("{}: column {} of {} has no name; the first row names the columns", where, i + 1, names.size()));
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      throw DataError(fmt::format("{}: two columns have the name '{}'", where, names[i]));
    }
  }
  const auto found = std::find(names.begin(), names.end(), column);
  if (found == names.end()) {
    throw DataError(
        fmt::format("{}: no column '{}'{}; prompt_column names the prompt's column", where, column, did_you_mean(column, names)));
  }
  return static_cast<std::size_t>(found - names.begin());
}

void read_table(const fs::path& file, const Rows& table, const std::string& column, PromptList& list) {
  list.carriage_returns = table.carriage_returns;
  list.empty_lines = table.empty_lines;
  if (table.rows.empty()) return;
  const auto& header = table.rows.front();
  const auto place = prompt_place(file, header, column);
  for (auto row = table.rows.begin() + 1; row != table.rows.end(); ++row) {
    const auto where = at_line(file, row->line);
    if (row->fields.size() != header.fields.size()) {
      throw DataError(fmt::format("{}: the row has {} column{}, the header {}", where, row->fields.size(),
                                  row->fields.size() == 1 ? "" : "s", header.fields.size()));
    }
    auto prompt = trimmed(row->fields[place]);
    if (prompt.empty()) throw DataError(fmt::format("{}: '{}' is empty; a prompt has at least a word", where, column));
    Value::Map about;
    for (std::size_t i = 0; i < header.fields.size(); ++i) {
      if (i != place) about.emplace(header.fields[i], row->fields[i]);
    }
    list.add(std::move(prompt), Value(std::move(about)));
  }
}

}  // namespace

void PromptList::add(std::string prompt, Value about) {
  text.push_back(std::move(prompt));
  metadata.push_back(std::move(about));
}

void PromptList::append(PromptList other) {
  std::ranges::move(other.text, std::back_inserter(text));
  std::ranges::move(other.metadata, std::back_inserter(metadata));
  carriage_returns += other.carriage_returns;
  empty_lines += other.empty_lines;
  byte_order_marks += other.byte_order_marks;
}

bool has_columns(const fs::path& file) { return ending(file) != ".txt"; }

PromptList read_prompt_file(const fs::path& file, const std::string& column) {
  const auto kind = ending(file);
  if (kind != ".txt" && kind != ".jsonl" && kind != ".csv" && kind != ".tsv") {
    throw DataError(fmt::format("{}: a file of prompts ends in .txt, .jsonl, .csv or .tsv", file.string()));
  }
  const std::string bytes = read_file(file, kLargestFile);
  check_encoding(file, bytes);
  std::string_view text = bytes;
  PromptList list;
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
    list.byte_order_marks = 1;
  }
  if (kind == ".txt") read_lines(text, list);
  if (kind == ".jsonl") read_objects(file, text, column, list);
  if (kind == ".csv") read_table(file, parse_csv(text, file.string()), column, list);
  if (kind == ".tsv") read_table(file, parse_tsv(text), column, list);
  if (list.text.empty()) throw DataError(at_line(file, 1) + ": the file holds no prompt");
  return list;
}

}  // namespace espalier::text_to_image
