#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier {

// Named weights, "<component>.<tensor>" ("unet.conv_in.weight", "text_encoder.text_model..."); the names are diffusers' and transformers'.
using Weights = TensorMap;

// A network as a function of named weights. Immutable and shared by threads; holds no tensor of its own.
class Network {
 public:
  virtual ~Network() = default;
  // All that the function depends on besides the weights: by component its complete config.json ({"unet": {...}}). Enters keys.
  virtual Value architecture() const = 0;

  // What predict() needs of conditions (sdk/encoding.h: rows, [B, ...]); differentiable in the weights of a text encoder.
  virtual TensorMap embed(const Weights& weights, const TensorMap& condition) const {
    (void)weights, (void)condition;
    return {};
  }

  // noisy: the state, [B, ...]; timestep [B] float; embedded: from embed(), [B, ...]. Gives a State of the same shapes and dtypes, in which
  // states stay float32 whatever the dtype of the weights (NetworkEntry::dtypes).
  virtual State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const = 0;

  // Floating-point operations of one predict() for one row of states of this spec, 2 a multiply-add (flops.h), known without weights; the
  // defaults of block_size and micro_batch follow from it. 0: not known.
  virtual double flops(const StateSpec& spec) const {
    (void)spec;
    return 0.0;
  }

  // The dtype of this weight in a model that is computed in `dtype`: float32 for a part that would overflow in float16.
  virtual at::ScalarType weight_dtype(const std::string& weight, at::ScalarType dtype) const {
    (void)weight;
    return dtype;
  }

  // Fresh weights by the library's usual initialisation, a function of the seed alone.
  virtual Weights initialize(std::uint64_t seed) const = 0;

  // Throws DataError naming origin and the first weight that is missing, misshapen or unknown. As it is, compares with initialize(0), which
  // is cheap for a small network alone.
  virtual void check(const Weights& weights, const std::string& origin) const;
};

}  // namespace espalier
