#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/value.h"

namespace espalier::text_to_image {

// Prompts with what else is known of each, in order, and what a person should know of how they were read.
struct PromptList {
  std::vector<std::string> text;      // [C], none empty, without white space at the ends
  std::vector<Value> metadata;        // [C], a table each
  std::int64_t carriage_returns = 0;  // line ends that had one
  std::int64_t empty_lines = 0;       // passed over
  std::int64_t byte_order_marks = 0;  // passed over, at a file's beginning

  void add(std::string prompt, Value about);
  void append(PromptList other);
};

inline constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

// The column or key that a prompt has where nothing else is said.
inline constexpr const char* kPromptColumn = "prompt";

// Whether such a file has columns or keys: .jsonl, .csv and .tsv have, .txt has not.
bool has_columns(const std::filesystem::path& file);

// UTF-8 text, read by the file's ending, in any case: .txt (a prompt a line), .jsonl (an object a line), .csv and .tsv (delimited.h; the
// first row names the columns). `column` is the column or key of the prompt; the others are its metadata: of .csv and .tsv texts, of .jsonl
// what they are. Throws DataError naming the file and the line.
PromptList read_prompt_file(const std::filesystem::path& file, const std::string& column = kPromptColumn);

}  // namespace espalier::text_to_image
