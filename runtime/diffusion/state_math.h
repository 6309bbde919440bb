#pragma once

#include <cstdint>
#include <string>

#include "runtime/random/draws.h"
#include "runtime/tensor/state.h"

// What the noise processes share: arithmetic on the fields of a state.
namespace espalier::diffusion {

// The field of that name, of the shape of `like`; `what` names the state in messages. Throws InternalError where there is none.
const at::Tensor& field(const State& state, const std::string& name, const at::Tensor& like, const char* what);

// Standard normals of the shape, dtype and device of `like`; takes the next elements of the draws.
at::Tensor fresh_noise(const at::Tensor& like, random::Draws& draws);

// [B] seen as [B, 1, ...], to multiply `like` in its dtype.
at::Tensor spread(const at::Tensor& per_sample, const at::Tensor& like);

// Independent standard normals for every field.
State normal_state(const StateSpec& spec, random::Draws& draws);

// The mean of squares over all elements of all fields of each sample, [B].
class MeanSquare {
 public:
  void add(const at::Tensor& difference);
  at::Tensor value() const;

 private:
  at::Tensor total_;
  std::int64_t elements_ = 0;
};

}  // namespace espalier::diffusion
