#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tensor/state.h"

namespace espalier::network {

// A place in a set of named weights: the one look-up that every network goes through.
class Scope {
 public:
  Scope(const TensorMap& weights, std::string prefix) : weights_(&weights), prefix_(std::move(prefix)) {}
  Scope at(std::string_view name) const { return {*weights_, prefix_ + std::string(name) + "."}; }
  Scope at(std::string_view name, std::size_t index) const { return at(std::string(name) + "." + std::to_string(index)); }
  // Throws DataError naming the tensor that is missing, or "weight" where an adapter lies beside it: a network that reads it itself would
  // leave the adapter out.
  const at::Tensor& operator[](std::string_view name) const;

  // All that belongs to the module, by one search; null: it has none. Throws DataError where the weight is missing.
  struct Layer {
    const at::Tensor* weight = nullptr;
    const at::Tensor* bias = nullptr;
    const at::Tensor* lora_A = nullptr;
    const at::Tensor* lora_B = nullptr;
  };
  Layer layer() const;
  Layer layer_with_bias() const;  // throws where the bias is missing, too

  const std::string& prefix() const { return prefix_; }
  TensorMap all() const;  // by their whole names

 private:
  [[noreturn]] void lack(std::string_view name) const;
  [[noreturn]] void refuse_adapter() const;

  const TensorMap* weights_;
  std::string prefix_;
};

// PyTorch's layers, by the names their modules give their weights. Linear maps and convolutions add the module's adapter where it has one
// (adapter.h); W x is computed in the dtype of x, B (A x) in the adapter's, and the sum is rounded to the dtype of x.
at::Tensor linear(const Scope& scope, const at::Tensor& x);      // weight [out, in] or, of a 1 x 1 convolution, [out, in, 1, 1]; bias
at::Tensor projection(const Scope& scope, const at::Tensor& x);  // weight [out, in]
at::Tensor conv2d(const Scope& scope, const at::Tensor& x, std::int64_t stride, std::int64_t padding);
// A 1 x 1 convolution with bias as a matrix product, which is three times as fast as oneDNN's convolution of small images.
at::Tensor channel_map(const Scope& scope, const at::Tensor& x);
at::Tensor group_norm(const Scope& scope, const at::Tensor& x, std::int64_t groups, double eps);
at::Tensor layer_norm(const Scope& scope, const at::Tensor& x, double eps);
at::Tensor silu(const at::Tensor& x);  // x / (1 + exp(-x))

// Multi-head attention, softmax(q k^T / sqrt(d)) v. query [B, N, C], key and value [B, M, C]; C = heads * d. Gives [B, N, C]. In half
// precision the scores and the softmax are in float32, as in diffusers with upcast_attention: LibTorch's kernels have them so on every
// device.
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, std::int64_t heads, bool causal = false);

// Sinusoids of diffusers' get_timestep_embedding (its Timesteps module): timestep [B], in float32. Gives [B, channels].
at::Tensor timestep_sinusoids(const at::Tensor& timestep, std::int64_t channels, bool flip_sin_to_cos, double freq_shift);

// What a network's weights are called, their shapes, and how fresh values are drawn.
struct WeightSpec {
  enum class Law { constant, uniform, normal };
  std::string name;
  std::vector<std::int64_t> shape;
  Law law = Law::constant;
  double scale = 0.0;  // the constant, the bound of a uniform law on (-scale, scale), or the standard deviation
};

class WeightSpecs {
 public:
  // As PyTorch initialises its layers: weights and biases uniform in +-1/sqrt(fan_in); norms 1 and 0.
  void linear(const std::string& name, std::int64_t in, std::int64_t out, bool bias = true);
  void conv2d(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel);
  void norm(const std::string& name, std::int64_t channels);
  void add(WeightSpec spec) { specs_.push_back(std::move(spec)); }

  // float32 tensors behind the prefix, a function of (prefix, seed): the i-th name in sorted order draws at ordinal i.
  TensorMap initialize(const std::string& prefix, std::uint64_t seed) const;

  // Throws DataError naming origin and the first tensor behind the prefix that is missing, misshapen or unknown.
  void check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const;

 private:
  std::vector<WeightSpec> specs_;
};

}  // namespace espalier::network
