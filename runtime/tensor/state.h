#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace espalier {

// Named tensors with a common leading batch dimension: a diffusion state, raw conditions, embedded conditions, decoded samples.
using TensorMap = std::map<std::string, at::Tensor>;
using State = TensorMap;

// One field of a state without its batch dimension.
struct TensorSpec {
  std::vector<std::int64_t> shape;
  at::ScalarType dtype = at::kFloat;
};
using StateSpec = std::map<std::string, TensorSpec>;

}  // namespace espalier
