#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// The candidate nearest to `name` by edit distance (Damerau-Levenshtein), or "" if none is near enough to be a likely typing error.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

// "; did you mean 'x'?" or, with no near name, "; known: a, b, c" ("" without candidates).
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace espalier
