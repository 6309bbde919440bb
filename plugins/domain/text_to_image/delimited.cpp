#include "plugins/domain/text_to_image/delimited.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

// The length of the line end at this place: 0 where there is none.
std::size_t line_end(std::string_view text, std::size_t at) {
  if (at >= text.size()) return 0;
  if (text[at] == '\n') return 1;
  if (text[at] != '\r') return 0;
  return at + 1 < text.size() && text[at + 1] == '\n' ? 2 : 1;
}

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Rows parse() {
    while (at_ < text_.size()) {
      if (line_end(text_, at_) > 0) {
        ++rows_.empty_lines;
        skip_line_end();
      } else {
        read_row();
      }
    }
    return std::move(rows_);
  }

 private:
  void read_row() {
    Row row{line_, {}};
    for (bool more = true; more;) {
      row.fields.push_back(is('"') ? quoted_field() : plain_field());
      more = is(',');
      if (more) ++at_;
    }
    skip_line_end();
    rows_.rows.push_back(std::move(row));
  }

  std::string plain_field() {
    const auto first = at_;
    while (at_ < text_.size() && text_[at_] != ',' && line_end(text_, at_) == 0) ++at_;
    return std::string(text_.substr(first, at_ - first));
  }

  std::string quoted_field() {
    const auto opened = line_;
    std::string field;
    for (++at_; at_ < text_.size();) {
      if (const auto end = line_end(text_, at_); end > 0) {
        field += text_.substr(at_, end);
        at_ += end;
        ++line_;
        continue;
      }
      const bool mark = is('"');
      if (mark) ++at_;  // the closing one, or the first of two
      if (!mark || is('"')) {
        field += text_[at_++];
        continue;
      }
      if (at_ == text_.size() || is(',') || line_end(text_, at_) > 0) return field;
      throw DataError(
          fmt::format("{}:{}: a comma or the line's end comes after a closing quotation mark; found '{}': a quotation mark in a "
                      "quoted field is written twice",
                      file_, line_, text_[at_]));
    }
    throw DataError(fmt::format("{}:{}: a quoted field begins here and has no closing quotation mark", file_, opened));
  }

  void skip_line_end() {
    const auto end = line_end(text_, at_);
    if (end > 0 && text_[at_] == '\r') ++rows_.carriage_returns;
    at_ += end;
    ++line_;
  }

  bool is(char c) const { return at_ < text_.size() && text_[at_] == c; }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  Rows rows_;
};

std::vector<std::string> split_fields(std::string_view line) {
  std::vector<std::string> fields;
  for (;;) {
    const auto tab = line.find('\t');
    fields.emplace_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

}  // namespace

Lines split_lines(std::string_view text) {
  Lines result;
  for (std::size_t first = 0, at = 0; first < text.size(); ++at) {
    const auto end = line_end(text, at);
    if (end == 0 && at < text.size()) continue;
    result.lines.push_back(text.substr(first, at - first));
    if (end > 0 && text[at] == '\r') ++result.carriage_returns;
    first = at + end;
    if (end == 2) ++at;
    if (end == 0) break;
  }
  return result;
}

Rows parse_csv(std::string_view text, const std::string& file) { return CsvParser(text, file).parse(); }

Rows parse_tsv(std::string_view text) {
  Rows result;
  const auto lines = split_lines(text);
  result.carriage_returns = lines.carriage_returns;
  for (std::size_t i = 0; i < lines.lines.size(); ++i) {
    if (lines.lines[i].empty()) {
      ++result.empty_lines;
    } else {
      result.rows.push_back({static_cast<std::int64_t>(i) + 1, split_fields(lines.lines[i])});
    }
  }
  return result;
}

}  // namespace espalier::text_to_image
