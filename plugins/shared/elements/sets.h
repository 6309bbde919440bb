#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"

namespace espalier::elements {

// One set: element e has the class token[e] and the vector vector[D e .. D e + D), in normalised units.
struct ElementSet {
  std::vector<std::int64_t> token;
  std::vector<float> vector;
  std::vector<bool> token_frozen = {}, vector_frozen = {};  // empty: nothing is given
  std::int64_t size() const { return static_cast<std::int64_t>(token.size()); }
};

// token, vector, present and frozen of diffusion/interleaved.h, padded to M elements.
StateSpec state_spec(std::int64_t num_elements, std::int64_t vector_dim);
State pack(const std::vector<ElementSet>& sets, std::int64_t num_elements, std::int64_t vector_dim);

// The conditions of these sets: how many elements each has, and what of them is given. The null condition has all M elements and gives
// none.
Conditions conditions(const std::vector<ElementSet>& sets, std::vector<std::string> text, std::vector<Value> metadata,
                      std::int64_t num_elements, std::int64_t vector_dim);

// `count` sizes whose shares are those of `sizes` as nearly as whole numbers allow: the (i + 1/2)/count quantiles, in an order that `seed`
// shuffles. So a set of conditions has the sizes of the data, and more of them only refine it.
std::vector<std::int64_t> spread_sizes(std::vector<std::int64_t> sizes, std::int64_t count, std::uint64_t seed);

}  // namespace espalier::elements
