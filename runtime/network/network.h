#pragma once

#include <cstdint>

#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier {

// Named weights, "<component>.<tensor>" ("unet.conv_in.weight", "text_encoder.text_model..."); the names are diffusers' and transformers'.
using Weights = TensorMap;

// A network as a function of named weights. Immutable and shared by threads; holds no tensor of its own.
class Network {
 public:
  virtual ~Network() = default;
  virtual Value architecture() const = 0;  // all that the function depends on besides the weights; enters keys

  // What predict() needs of raw conditions (Conditions::tensors rows, [B, ...]); differentiable in the weights of a text encoder.
  virtual TensorMap embed(const Weights& weights, const TensorMap& condition) const = 0;

  // noisy: the domain's state, [B, ...]; timestep [B] float; embedded: from embed(), [B, ...]. Gives a State of the same shapes.
  virtual State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const = 0;

  // Fresh weights by the library's usual initialisation, a function of the seed alone.
  virtual Weights initialize(std::uint64_t seed) const = 0;
};

}  // namespace espalier
