#include "plugins/shared/elements/sets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"

namespace espalier::elements {

StateSpec state_spec(std::int64_t num_elements, std::int64_t vector_dim) {
  return {{"token", {{num_elements}, at::kLong}},
          {"vector", {{num_elements, vector_dim}, at::kFloat}},
          {"present", {{num_elements}, at::kBool}},
          {"frozen", {{num_elements, 2}, at::kBool}}};
}

State pack(const std::vector<ElementSet>& sets, std::int64_t num_elements, std::int64_t vector_dim) {
  const auto batch = static_cast<std::int64_t>(sets.size());
  auto token = at::zeros({batch, num_elements}, at::kLong);
  auto vector = at::zeros({batch, num_elements, vector_dim}, at::kFloat);
  auto present = at::zeros({batch, num_elements}, at::kBool), frozen = at::zeros({batch, num_elements, 2}, at::kBool);
  auto* tokens = token.mutable_data_ptr<std::int64_t>();
  auto* vectors = vector.mutable_data_ptr<float>();
  auto* there = present.mutable_data_ptr<bool>();
  auto* given = frozen.mutable_data_ptr<bool>();
  for (const auto& set : sets) {
    if (set.size() > num_elements || static_cast<std::int64_t>(set.vector.size()) != set.size() * vector_dim) {
      throw InternalError(fmt::format("a set of {} elements and {} numbers does not fit {} elements of {}", set.size(), set.vector.size(),
                                      num_elements, vector_dim));
    }
    std::copy(set.token.begin(), set.token.end(), tokens);
    std::copy(set.vector.begin(), set.vector.end(), vectors);
    std::fill_n(there, set.size(), true);
    for (std::size_t e = 0; e < set.token_frozen.size(); ++e) given[2 * e] = set.token_frozen[e];
    for (std::size_t e = 0; e < set.vector_frozen.size(); ++e) given[2 * e + 1] = set.vector_frozen[e];
    tokens += num_elements, vectors += num_elements * vector_dim, there += num_elements, given += 2 * num_elements;
  }
  return {{"token", token}, {"vector", vector}, {"present", present}, {"frozen", frozen}};
}

Conditions conditions(const std::vector<ElementSet>& sets, std::vector<std::string> text, std::vector<Value> metadata,
                      std::int64_t num_elements, std::int64_t vector_dim) {
  Conditions conditions;
  conditions.tensors = pack(sets, num_elements, vector_dim);
  conditions.null_tensors = pack({ElementSet{std::vector<std::int64_t>(static_cast<std::size_t>(num_elements)),
                                             std::vector<float>(static_cast<std::size_t>(num_elements * vector_dim))}},
                                 num_elements, vector_dim);
  conditions.text = std::move(text);
  conditions.metadata = std::move(metadata);
  return conditions;
}

std::vector<std::int64_t> spread_sizes(std::vector<std::int64_t> sizes, std::int64_t count, std::uint64_t seed) {
  if (sizes.empty()) throw InternalError("no sizes to spread");
  std::sort(sizes.begin(), sizes.end());
  const auto n = static_cast<std::int64_t>(sizes.size());
  const auto order = random::streams::condition_order(seed);
  std::vector<std::int64_t> spread(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto place = random::shuffled_index(order, 0, static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(i));
    spread[place] = sizes[static_cast<std::size_t>((2 * i + 1) * n / (2 * count))];
  }
  return spread;
}

}  // namespace espalier::elements
