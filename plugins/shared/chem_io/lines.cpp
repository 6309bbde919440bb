#include "plugins/shared/chem_io/lines.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "plugins/shared/folder/files.h"
#include "runtime/base/errors.h"
#include "runtime/base/regular_file.h"

namespace espalier::chem {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 16, kLongestLine = std::size_t{1} << 20;

std::string_view strip_plus(std::string_view text) { return text.starts_with('+') && !text.starts_with("+-") ? text.substr(1) : text; }

}  // namespace

Lines::Lines(const std::filesystem::path& path) : path_(path), file_(nullptr, gzclose) {
  const RegularFile regular(path);  // gzopen would wait for a pipe's writer
  limit_ = folder::unpacked_limit(regular.size());
  file_.reset(gzopen(path.c_str(), "rb"));
  if (!file_) throw DataError(path.string() + ": cannot be opened: " + std::strerror(errno));
}

bool Lines::fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kChunk);
  const int got = gzread(file_.get(), buffer_.data() + before, kChunk);
  int code = Z_OK;
  const char* message = gzerror(file_.get(), &code);
  if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
    throw DataError(fmt::format("{}:{}: {}", path_.string(), number_ + 1, code == Z_BUF_ERROR ? "the gzip stream is cut off" : message));
  }
  buffer_.resize(before + static_cast<std::size_t>(got));
  unpacked_ += static_cast<std::uint64_t>(got);
  if (unpacked_ > limit_ && gzdirect(file_.get()) == 0) {
    throw DataError(fmt::format("{}: unpacks to more than {} bytes, which a gzip'ed file of its size may not; unpack it to have it read",
                                path_.string(), limit_));
  }
  return got > 0;
}

bool Lines::next(std::string& line) {
  if (has_again_) {
    has_again_ = false;
    ++number_;
    line = std::move(again_);
    return true;
  }
  std::size_t end = buffer_.find('\n', at_);
  while (end == std::string::npos && fill()) {
    end = buffer_.find('\n');
    if (end == std::string::npos && buffer_.size() > kLongestLine) {
      throw DataError(fmt::format("{}:{}: a line of over {} bytes: no text file", path_.string(), number_ + 1, kLongestLine));
    }
  }
  if (end == std::string::npos) {
    if (at_ == buffer_.size()) return false;
    end = buffer_.size();
  }
  line.assign(buffer_, at_, end - at_);
  at_ = std::min(end + 1, buffer_.size());
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (number_ == 0 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
  ++number_;
  return true;
}

void Lines::put_back(std::string line) {
  again_ = std::move(line);
  has_again_ = true;
  --number_;
}

std::vector<std::string_view> split_blanks(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(" \t", end);
  }
  return fields;
}

bool parse_number(std::string_view text, double& value) {
  std::string rewritten;
  const std::size_t star = text.find("*^"), power = star != std::string_view::npos ? star : text.find_first_of("Dd");
  if (power != std::string_view::npos) {
    rewritten = fmt::format("{}e{}", text.substr(0, power), text.substr(power + (power == star ? 2 : 1)));
    text = rewritten;
  }
  text = strip_plus(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool parse_count(std::string_view text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 && !text.empty();
}

std::string quote(std::string_view text) {
  constexpr std::size_t kShown = 40;
  std::string shown = "'";
  for (const char c : text.substr(0, kShown)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > kShown ? "...'" : "'");
}

}  // namespace espalier::chem
