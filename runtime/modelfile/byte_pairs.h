#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace espalier::modelfile {

using MergeRanks = std::map<std::pair<std::string, std::string>, std::int64_t>;  // the lower, the earlier

// The pieces that CLIP's pattern cuts a text into, after Unicode's normal form C and lower-casing: 's 't 're 've 'm 'll 'd, runs of
// letters, single numbers, runs of anything else but whitespace (combining marks and joiners among them); UTF-8. Throws DataError for
// invalid UTF-8.
std::vector<std::string> split_text(const std::string& text);

// A piece's bytes as the printable characters that byte-level vocabularies write them with, the last with "</w>".
std::vector<std::string> byte_symbols(const std::string& piece);

// Joins neighbours, the pair of lowest rank first, until no pair has one.
std::vector<std::string> merge_pairs(std::vector<std::string> symbols, const MergeRanks& ranks);

}  // namespace espalier::modelfile
