#include "runtime/modelfile/byte_pairs.h"

#include <fmt/format.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <span>

#include "runtime/base/errors.h"

namespace espalier::modelfile {
namespace {

using Points = std::vector<UChar32>;

bool is_letter(UChar32 point) { return (U_GET_GC_MASK(point) & U_GC_L_MASK) != 0; }
bool is_number(UChar32 point) { return (U_GET_GC_MASK(point) & U_GC_N_MASK) != 0; }
bool is_space(UChar32 point) { return u_isUWhiteSpace(point) != 0; }

[[noreturn]] void not_utf8(std::size_t position) { throw DataError(fmt::format("the text is not valid UTF-8 at byte {}", position)); }

Points code_points(const std::string& text) {
  Points points;
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
    points.push_back(static_cast<UChar32>(point));
    i += length;
  }
  return points;
}

std::string utf8(std::span<const UChar32> points) {
  std::string text;
  return icu::UnicodeString::fromUTF32(points.data(), static_cast<std::int32_t>(points.size())).toUTF8String(text);
}

// Returns Unicode's normal form C.
Points composed(const Points& points) {
  UErrorCode status = U_ZERO_ERROR;
  const auto* form = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) throw InternalError(fmt::format("ICU gives no normal form C: {}", u_errorName(status)));
  const auto text = form->normalize(icu::UnicodeString::fromUTF32(points.data(), static_cast<std::int32_t>(points.size())), status);
  Points result(static_cast<std::size_t>(text.countChar32()));
  text.toUTF32(result.data(), static_cast<std::int32_t>(result.size()), status);
  if (U_FAILURE(status)) throw InternalError(fmt::format("ICU cannot bring a text to normal form C: {}", u_errorName(status)));
  return result;
}

// Lower-cases each letter independently of its neighbours: a capital sigma at a word's end does not become a final sigma, as in CLIP.
Points lowered(const Points& points) {
  constexpr UChar32 kCapitalDottedI = 0x130;  // the only letter whose lower case is two characters: i and a dot above
  Points result;
  for (const auto point : points) {
    if (point == kCapitalDottedI) result.insert(result.end(), {'i', 0x307});
    if (point != kCapitalDottedI) result.push_back(u_tolower(point));
  }
  return result;
}

// Returns the length of the piece at the start of `points`, which does not start with whitespace.
std::size_t piece_length(std::span<const UChar32> points) {
  static constexpr std::array<std::u32string_view, 7> kContractions{U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};
  for (const auto contraction : kContractions) {
    const auto same = [](UChar32 point, char32_t letter) { return point == static_cast<UChar32>(letter); };
    if (points.size() >= contraction.size() && std::ranges::equal(points.first(contraction.size()), contraction, same)) {
      return contraction.size();
    }
  }
  const auto run = [points](auto belongs) { return static_cast<std::size_t>(std::ranges::find_if_not(points, belongs) - points.begin()); };
  if (is_letter(points.front())) return run(is_letter);
  if (is_number(points.front())) return 1;
  return run([](UChar32 point) { return !is_space(point) && !is_letter(point) && !is_number(point); });
}

// GPT-2's bytes_to_unicode: printable Latin-1 bytes are themselves, the others follow from U+0100.
UChar32 symbol_of(unsigned char byte) {
  const auto printable = [](unsigned value) {
    return (value >= 33 && value <= 126) || (value >= 161 && value <= 172) || (value >= 174 && value <= 255);
  };
  if (printable(byte)) return byte;
  UChar32 others = 0;
  for (unsigned value = 0; value < byte; ++value) others += printable(value) ? 0 : 1;
  return 256 + others;
}

}  // namespace

std::vector<std::string> split_text(const std::string& text) {
  const auto points = lowered(composed(code_points(text)));
  std::vector<std::string> pieces;
  for (std::span<const UChar32> rest(points); !rest.empty();) {
    if (is_space(rest.front())) {
      rest = rest.subspan(1);
      continue;
    }
    const auto length = piece_length(rest);
    pieces.push_back(utf8(rest.first(length)));
    rest = rest.subspan(length);
  }
  return pieces;
}

std::vector<std::string> byte_symbols(const std::string& piece) {
  std::vector<std::string> symbols;
  for (const auto byte : piece) {
    const UChar32 symbol = symbol_of(static_cast<unsigned char>(byte));
    symbols.push_back(utf8({&symbol, 1}));
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

}  // namespace espalier::modelfile
