#include "plugins/metric/diversity/pairs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/pdist.h>

#include <cmath>

namespace espalier::diversity {
namespace {

constexpr double kWhite = 255.0;

}  // namespace

Pairs pairs_of(const Compared& samples, std::int64_t count, double near_duplicate_distance) {
  Pairs pairs;
  const auto equal_keys = [&](std::int64_t i, std::int64_t j) {
    if (samples.keys.empty()) return false;
    const auto& key = samples.keys.at(static_cast<std::size_t>(i));
    return !key.empty() && key == samples.keys.at(static_cast<std::size_t>(j));
  };
  std::vector<bool> duplicate;  // in pdist's order: (0, 1), (0, 2), ..., (1, 2), ...
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = i + 1; j < count; ++j) duplicate.push_back(equal_keys(i, j));
  }
  pairs.count = static_cast<double>(duplicate.size());
  if (samples.pixels.defined()) {
    const auto values = static_cast<double>(samples.pixels.size(1));
    const auto distance = at::pdist(samples.pixels.to(at::kDouble) / kWhite) / std::sqrt(values);  // [pairs]
    pairs.pixel_distance = distance.mean().item<double>();
    const auto* of_pair = distance.const_data_ptr<double>();
    for (std::size_t pair = 0; pair < duplicate.size(); ++pair) {
      if (of_pair[pair] < near_duplicate_distance) duplicate[pair] = true;
    }
  }
  if (samples.features.defined()) pairs.feature_distance = at::pdist(samples.features).mean().item<double>();
  for (const bool one : duplicate) pairs.near_duplicates += one ? 1.0 : 0.0;
  return pairs;
}

}  // namespace espalier::diversity
