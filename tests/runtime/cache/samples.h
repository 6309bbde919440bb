#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/cache/store.h"

// Trajectories and scores that are functions of their arguments alone, so that any process can compute what must be read back.
namespace espalier::cache::testing {

inline constexpr std::int64_t kSamples = 4;  // a block's

Value recipe(std::int64_t seed = 7);

// Two fields, "x" [S, 3, 5] float and "code" [S, 6] bfloat16. `variant` changes every number.
Block block(std::uint64_t number, const std::vector<std::int64_t>& steps, std::uint64_t variant = 0, std::int64_t samples = kSamples);
std::vector<double> scores(std::uint64_t number);
Provenance provenance();

// The steps of a block, descending, and those alone.
Block only(const Block& block, const std::set<std::int64_t>& steps);

// Names what differs, bit for bit; "" when nothing does.
std::string difference(const Block& a, const Block& b);

}  // namespace espalier::cache::testing
