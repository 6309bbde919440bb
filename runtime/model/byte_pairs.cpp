#include "runtime/model/byte_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "runtime/base/errors.h"
#include "runtime/model/unicode_tables.h"

namespace espalier::model {
namespace {

bool in_ranges(std::span<const CodePointRange> ranges, std::uint32_t point) {
  const auto after = std::ranges::upper_bound(ranges, point, {}, &CodePointRange::first);
  return after != ranges.begin() && point <= std::prev(after)->last;
}

bool is_letter(std::uint32_t point) { return in_ranges({kLetters, kLettersCount}, point); }
bool is_number(std::uint32_t point) { return in_ranges({kNumbers, kNumbersCount}, point); }
bool is_space(std::uint32_t point) {
  return (point >= 9 && point <= 13) || point == 32 || point == 0x85 || point == 0xa0 || point == 0x1680 ||
         (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 || point == 0x202f || point == 0x205f ||
         point == 0x3000;
}

std::uint32_t lower_case(std::uint32_t point) {
  const std::span<const LowerCaseRun> runs(kLowerCase, kLowerCaseCount);
  const auto after = std::ranges::upper_bound(runs, point, {}, &LowerCaseRun::first);
  if (after == runs.begin()) return point;
  const auto& run = *std::prev(after);
  const bool inside = point <= run.last && (point - run.first) % run.stride == 0;
  return inside ? point + static_cast<std::uint32_t>(run.difference) : point;
}

[[noreturn]] void not_utf8(std::size_t position) { throw DataError(fmt::format("the text is not valid UTF-8 at byte {}", position)); }

std::vector<std::uint32_t> code_points(const std::string& text) {
  std::vector<std::uint32_t> points;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || i + length > text.size()) not_utf8(i);
    std::uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) not_utf8(i + k);
      point = point << 6 | (next & 0x3fu);
    }
    constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) not_utf8(i);
    if (in_ranges({kNormalFormUnsure, kNormalFormUnsureCount}, point)) {
      throw DataError(fmt::format("the text is not surely in Unicode's normal form C: U+{:04X} at byte {}; normalise it first", point, i));
    }
    points.push_back(point);
    i += length;
  }
  return points;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      byte(0xe0 | point >> 12);
    } else {
      byte(0xf0 | point >> 18);
      byte(0x80 | (point >> 12 & 0x3f));
    }
    byte(0x80 | (point >> 6 & 0x3f));
  }
  byte(0x80 | (point & 0x3f));
}

std::vector<std::uint32_t> lowered(const std::string& text) {
  constexpr std::uint32_t kCapitalDottedI = 0x130;  // the one letter whose lower case is two: i and a dot above
  std::vector<std::uint32_t> points;
  for (const auto point : code_points(text)) {
    if (point == kCapitalDottedI) points.insert(points.end(), {'i', 0x307});
    if (point != kCapitalDottedI) points.push_back(lower_case(point));
  }
  return points;
}

// The length of the piece that starts at `points`, which is not whitespace.
std::size_t piece_length(std::span<const std::uint32_t> points) {
  static constexpr std::array<std::u32string_view, 7> kContractions{U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};
  for (const auto contraction : kContractions) {
    if (points.size() >= contraction.size() && std::ranges::equal(points.first(contraction.size()), contraction)) return contraction.size();
  }
  const auto run = [points](auto belongs) { return static_cast<std::size_t>(std::ranges::find_if_not(points, belongs) - points.begin()); };
  if (is_letter(points.front())) return run(is_letter);
  if (is_number(points.front())) return 1;
  return run([](std::uint32_t point) { return !is_space(point) && !is_letter(point) && !is_number(point); });
}

// GPT-2's bytes_to_unicode: printable Latin-1 bytes are themselves, the others follow from U+0100.
std::uint32_t symbol_of(unsigned char byte) {
  const auto printable = [](unsigned value) {
    return (value >= 33 && value <= 126) || (value >= 161 && value <= 172) || (value >= 174 && value <= 255);
  };
  if (printable(byte)) return byte;
  std::uint32_t others = 0;
  for (unsigned value = 0; value < byte; ++value) others += printable(value) ? 0 : 1;
  return 256 + others;
}

}  // namespace

std::vector<std::string> split_text(const std::string& text) {
  const auto points = lowered(text);
  std::vector<std::string> pieces;
  for (std::span<const std::uint32_t> rest(points); !rest.empty();) {
    if (is_space(rest.front())) {
      rest = rest.subspan(1);
      continue;
    }
    const auto length = piece_length(rest);
    pieces.emplace_back();
    for (const auto point : rest.first(length)) append_utf8(pieces.back(), point);
    rest = rest.subspan(length);
  }
  return pieces;
}

std::vector<std::string> byte_symbols(const std::string& piece) {
  std::vector<std::string> symbols;
  for (const auto byte : piece) {
    symbols.emplace_back();
    append_utf8(symbols.back(), symbol_of(static_cast<unsigned char>(byte)));
  }
  if (!symbols.empty()) symbols.back() += "</w>";
  return symbols;
}

std::vector<std::string> merge_pairs(std::vector<std::string> symbols, const MergeRanks& ranks) {
  while (symbols.size() > 1) {
    auto best = ranks.end();
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found != ranks.end() && (best == ranks.end() || found->second < best->second)) best = found;
    }
    if (best == ranks.end()) break;
    std::vector<std::string> merged;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      if (i + 1 < symbols.size() && symbols[i] == best->first.first && symbols[i + 1] == best->first.second) {
        merged.push_back(symbols[i] + symbols[i + 1]);
        ++i;
      } else {
        merged.push_back(symbols[i]);
      }
    }
    symbols = std::move(merged);
  }
  return symbols;
}

}  // namespace espalier::model
