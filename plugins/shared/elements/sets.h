#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/dataset.h"

namespace espalier::elements {

// token, vector, present and frozen of diffusion/interleaved.h, padded to M elements.
StateSpec state_spec(std::int64_t num_elements, std::int64_t vector_dim);

// Sets as states. token [B, M] int64: the class of each element, -1 where there is none; vector [B, M, D] in normalised units, of any
// floating dtype, rounded to float; given [B, M, 2] bool: whether an element's token and its vector are given (undefined: nothing is).
State pack(const at::Tensor& token, const at::Tensor& vector, const at::Tensor& given = {});

// Sets of which nothing is known but how many elements they have. Throws InternalError for a size above num_elements.
State pack_sizes(const std::vector<std::int64_t>& sizes, std::int64_t num_elements, std::int64_t vector_dim);

// The conditions of these packed sets: how many elements each has, and what of them is given. The null condition has all M elements and
// gives none.
Conditions conditions(State sets, std::vector<std::string> text, std::vector<Value> metadata);

// `count` sizes whose shares are those of `sizes` as nearly as whole numbers allow: the (i + 1/2)/count quantiles, in an order that `seed`
// shuffles. So a set of conditions has the sizes of the data, and more of them only refine it.
std::vector<std::int64_t> spread_sizes(std::vector<std::int64_t> sizes, std::int64_t count, std::uint64_t seed);

}  // namespace espalier::elements
