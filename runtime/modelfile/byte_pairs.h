#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace espalier::modelfile {

using MergeRanks = std::map<std::pair<std::string, std::string>, std::int64_t>;  // the lower, the earlier

// Returns the pieces into which CLIP's pattern cuts a UTF-8 text, after Unicode's normal form C and lower-casing: 's 't 're 've 'm 'll 'd,
// runs of letters, single numbers, and runs of anything else except whitespace (including combining marks and joiners). Throws DataError
// for invalid UTF-8.
std::vector<std::string> split_text(const std::string& text);

// Returns a piece's bytes as the printable characters of byte-level vocabularies, the last with "</w>" appended.
std::vector<std::string> byte_symbols(const std::string& piece);

// Joins neighbouring symbols, the pair of lowest rank first, until no pair has a rank.
std::vector<std::string> merge_pairs(std::vector<std::string> symbols, const MergeRanks& ranks);

}  // namespace espalier::modelfile
