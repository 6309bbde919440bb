#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct gzFile_s;

namespace espalier::chem {

// The lines of a text file, plain or gzip'ed, without their ends ("\n" or "\r\n") and without a byte order mark.
class Lines {
 public:
  explicit Lines(const std::filesystem::path& path);  // throws DataError naming the file

  // False at the end. Throws DataError for a damaged gzip stream or one of over folder::unpacked_limit bytes, and for a line of over a
  // mebibyte (no text file).
  bool next(std::string& line);
  void put_back(std::string line);                 // next() gives it again; one line only
  std::int64_t number() const { return number_; }  // of the line given last, from 1

 private:
  bool fill();
  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile_s*)> file_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t unpacked_ = 0, limit_ = 0;  // bytes read, and the most that may be
  std::int64_t number_ = 0;
  std::string again_;
  bool has_again_ = false;
};

// The fields between blanks (spaces and tabs); none of a blank line.
std::vector<std::string_view> split_blanks(std::string_view line);

// A whole text that is a number; false otherwise. "nan" and "inf" are numbers. 1.5e-6 may be written "1.5*^-6", as QM9's own files do, or
// "1.5D-6", as Fortran does.
bool parse_number(std::string_view text, double& value);
bool parse_count(std::string_view text, std::int64_t& value);

// `text` for a message: at most 40 characters, what is not printable replaced.
std::string quote(std::string_view text);

}  // namespace espalier::chem
