#include "runtime/diffusion/state_math.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <vector>

#include "runtime/base/errors.h"

namespace espalier::diffusion {

const at::Tensor& field(const State& state, const std::string& name, const at::Tensor& like, const char* what) {
  const auto found = state.find(name);
  if (found == state.end()) {
    throw InternalError(fmt::format("the {} has no field '{}' that the state has", what, name));
  }
  if (found->second.sizes() != like.sizes()) {
    throw InternalError(fmt::format("field '{}' of the {} has another shape than the state's", name, what));
  }
  return found->second;
}

at::Tensor fresh_noise(const at::Tensor& like, random::Draws& draws) {
  return draws.normals(like.sizes().slice(1).vec(), like.scalar_type()).to(like.device());
}

at::Tensor spread(const at::Tensor& per_sample, const at::Tensor& like) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(like.dim()), 1);
  shape[0] = like.size(0);
  return per_sample.to(like.scalar_type()).reshape(shape);
}

State normal_state(const StateSpec& spec, random::Draws& draws) {
  State state;
  for (const auto& [name, tensor] : spec) {
    state[name] = draws.normals(tensor.shape, tensor.dtype);
  }
  return state;
}

void MeanSquare::add(const at::Tensor& difference) {
  const auto sum = difference.square().reshape({difference.size(0), -1}).sum(1);
  total_ = total_.defined() ? total_ + sum : sum;
  elements_ += difference.numel() / difference.size(0);
}

at::Tensor MeanSquare::value() const { return total_ / static_cast<double>(elements_); }

}  // namespace espalier::diffusion
