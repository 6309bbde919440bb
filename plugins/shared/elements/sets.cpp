#include "plugins/shared/elements/sets.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
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

State pack(const at::Tensor& token, const at::Tensor& vector, const at::Tensor& given) {
  const auto present = token.ge(0);          // [B, M]
  const auto there = present.unsqueeze(-1);  // [B, M, 1]
  const auto frozen = given.defined() ? given.logical_and(there) : at::zeros({token.size(0), token.size(1), 2}, present.options());
  return {{"token", token.clamp_min(0)},
          {"vector", vector.to(at::kFloat).masked_fill(there.logical_not(), 0.0)},
          {"present", present},
          {"frozen", frozen}};
}

State pack_sizes(const std::vector<std::int64_t>& sizes, std::int64_t num_elements, std::int64_t vector_dim) {
  for (const auto size : sizes) {
    if (size > num_elements) throw InternalError(fmt::format("a set of {} elements does not fit {}", size, num_elements));
  }
  const auto batch = static_cast<std::int64_t>(sizes.size());
  const auto present = at::arange(num_elements, at::kLong).lt(at::tensor(sizes, at::kLong).unsqueeze(1));  // [B, M]
  return pack(present.to(at::kLong).sub(1), at::zeros({batch, num_elements, vector_dim}, at::kFloat));
}

Conditions conditions(State sets, std::vector<std::string> text, std::vector<Value> metadata) {
  const auto num_elements = sets.at("vector").size(1), vector_dim = sets.at("vector").size(2);
  return {std::move(sets), pack_sizes({num_elements}, num_elements, vector_dim), std::move(text), std::move(metadata)};
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
