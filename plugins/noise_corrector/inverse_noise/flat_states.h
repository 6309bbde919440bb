#pragma once

#include "runtime/tensor/state.h"

namespace espalier::inverse_noise {

// A state's fields side by side in rows [B, D] of float32, in the order of their names, and back.
class FlatStates {
 public:
  explicit FlatStates(const StateSpec& spec);
  at::Tensor flatten(const State& state) const;   // throws DataError naming a field that is missing or of another shape
  State unflatten(const at::Tensor& rows) const;  // fields in their own dtypes
  std::int64_t size() const { return size_; }     // D

 private:
  StateSpec spec_;
  std::int64_t size_ = 0;
};

}  // namespace espalier::inverse_noise
