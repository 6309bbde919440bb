#include "plugins/shared/chem_scores/synthetic_accessibility_data.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

constexpr double kUnknown = -4.0;
constexpr std::size_t kChunk = 1 << 20;
constexpr std::size_t kLargest = 256 << 20;

std::string unzip(const std::filesystem::path& file) {
  require_fragment_scores(file);
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> input(gzopen(file.c_str(), "rb"), gzclose);
  if (!input) throw DataError(file.string() + ": cannot be read");
  std::string bytes;
  for (int got = 1; got > 0;) {
    const auto before = bytes.size();
    bytes.resize(before + kChunk);
    got = gzread(input.get(), bytes.data() + before, static_cast<unsigned>(kChunk));
    int code = Z_OK;
    const std::string reason = gzerror(input.get(), &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      throw DataError(file.string() + ": " + (code == Z_BUF_ERROR ? "the gzip stream is cut off" : reason));
    }
    bytes.resize(before + static_cast<std::size_t>(got));
    if (bytes.size() > kLargest) throw DataError(file.string() + ": too large for a table of fragment scores");
  }
  return bytes;
}

// Walks over the pickle's opcodes; `take(score, fragment)` for each fragment.
class Pickle {
 public:
  Pickle(const std::filesystem::path& file, std::string_view bytes) : file_(file), bytes_(bytes) {}

  template <class Take>
  void read(Take take) {
    for (;;) {
      switch (const char opcode = next()) {
        case '(':
          if (next() != 'l' || next() != 'p' || ++depth_ > 2 || number_) refuse("a list of lists was expected");
          line();
          scored_ = false;
          break;
        case 'F':
        case 'I':
          if (depth_ != 2 || number_) refuse("a number stands outside the groups");
          if (scored_) {
            take(score_, parse<std::uint32_t>(line()));
          } else {
            score_ = parse<double>(line());
            scored_ = true;
          }
          number_ = true;
          break;
        case 'a':  // ends a number, or else the innermost list
          if (!number_ && --depth_ < 1) refuse("nothing is there to append");
          number_ = false;
          break;
        case '.':
          if (depth_ != 1 || number_ || at_ != bytes_.size()) refuse("it ends too early or too late");
          return;
        default:
          refuse(fmt::format("opcode 0x{:02x} is none of protocol 0's list of lists of numbers", static_cast<unsigned char>(opcode)));
      }
    }
  }

 private:
  char next() {
    if (at_ == bytes_.size()) refuse("it is cut off");
    return bytes_[at_++];
  }
  std::string_view line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) refuse("it is cut off");
    const auto text = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }
  template <class Number>
  Number parse(std::string_view text) const {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) refuse(fmt::format("'{}' is no number that fits", text));
    return number;
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(fmt::format("{}: no table of fragment scores (a pickle, protocol 0): {}, at byte {}", file_.string(), what, at_));
  }

  std::filesystem::path file_;
  std::string_view bytes_;
  std::size_t at_ = 0;
  int depth_ = 0;        // lists that are open
  bool number_ = false;  // one is on top of the stack
  bool scored_ = false;  // the open group has its score
  double score_ = 0.0;
};

}  // namespace

FragmentScores::FragmentScores(const std::filesystem::path& file) {
  const std::string bytes = unzip(file);
  Pickle(file, bytes).read([&](double score, std::uint32_t fragment) { entries_.push_back({fragment, score}); });
  if (entries_.empty()) throw DataError(file.string() + ": no fragment scores in it");
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.fragment < b.fragment; });
}

double FragmentScores::of(std::uint32_t fragment) const {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), fragment,
                                      [](std::uint32_t wanted, const Entry& entry) { return wanted < entry.fragment; });
  return after != entries_.begin() && std::prev(after)->fragment == fragment ? std::prev(after)->score : kUnknown;
}

std::filesystem::path default_fragment_scores() {
  const char* base = std::getenv("RDBASE");
  return std::filesystem::path(base != nullptr && *base != '\0' ? base : "/usr/share/RDKit") / "Contrib/SA_Score/fpscores.pkl.gz";
}

void require_fragment_scores(const std::filesystem::path& file) {
  if (std::filesystem::is_regular_file(file)) return;
  throw DataError(file.string() +
                  ": no such file; it is part of RDKit's Contrib/SA_Score (Debian: rdkit-data), and is looked for in $RDBASE or where the "
                  "option `data` says");
}

}  // namespace espalier::chem
