#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "runtime/random/draws.h"
#include "runtime/selection/intervals.h"

// How near the accepted states at a step are to what a network starts from and to what the base knows already.
namespace espalier::intermediate_profile {

// E(X, Z) / (2 E|X - Z|) of states X against pure noise Z, where E(X, Z) = 2 E|X - Z| - E|X - X'| - E|Z - Z'| is the energy distance
// (Szekely and Rizzo 2013, "Energy statistics"): 0 where both have one law, and at most 1 but for chance. Unbiased means over pairs of
// different rows; X and Z are double, [K, D] and [L, D]. The interval is a delete-one jackknife over the conditions of the rows of X ([K]),
// normal. Throws StageError below two rows, or where all rows are of one condition.
intervals::Estimate energy_coefficient(const at::Tensor& states, const std::vector<std::int64_t>& condition, const at::Tensor& noise);

// The weighted mean loss of accepted states minus the mean of all of the same condition, a mean over the conditions that have an accepted
// one, with a bootstrap of them. `loss` [N] of all states; `accepted`: rows of it, with their weights.
intervals::Estimate excess_loss(const std::vector<double>& loss, const std::vector<std::int64_t>& condition,
                                const std::vector<std::int64_t>& accepted, const std::vector<double>& weight, const random::StreamKey& key);

}  // namespace espalier::intermediate_profile
