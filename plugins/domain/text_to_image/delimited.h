#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Text files of lines, and of delimited rows. A line ends with LF, CR LF or CR.
namespace espalier::text_to_image {

struct Lines {
  std::vector<std::string_view> lines;  // into the text, without their ends; a last one without an end counts
  std::int64_t carriage_returns = 0;    // lines whose end has one
};
Lines split_lines(std::string_view text);

struct Row {
  std::int64_t line = 0;  // on which it begins, from 1
  std::vector<std::string> fields;
};

// Rows in order, the header among them. Empty lines are no rows.
struct Rows {
  std::vector<Row> rows;
  std::int64_t carriage_returns = 0;  // rows whose end has one
  std::int64_t empty_lines = 0;
};

// RFC 4180: commas separate fields; a field that begins with a quotation mark ends with one, and holds commas, line ends and, doubled,
// quotation marks. In any other field a quotation mark is a character. Throws DataError, naming `file` and the line, where a quoted field
// has no end, or is followed by anything but a comma or the line's end.
Rows parse_csv(std::string_view text, const std::string& file);

// IANA's text/tab-separated-values: tabs separate fields, which hold neither tabs nor line ends; a quotation mark is a character.
Rows parse_tsv(std::string_view text);

}  // namespace espalier::text_to_image
