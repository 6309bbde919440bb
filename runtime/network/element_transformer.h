#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/value.h"
#include "runtime/network/element_batch.h"
#include "runtime/tensor/state.h"

namespace espalier::network {

// What an ElementTransformer's config states. In JSON: the same names, and "_class_name": "ElementTransformer".
struct ElementTransformerConfig {
  std::int64_t num_classes = 0;  // K, given; token K is the mask
  std::int64_t vector_dim = 0;   // D, given
  std::int64_t hidden_size = 128;
  std::int64_t num_layers = 6;
  std::int64_t num_heads = 4;
  std::int64_t mlp_ratio = 4;
  std::int64_t max_elements = 0;           // given; for the code that fills batches: the network takes any number of elements
  std::int64_t num_distance_features = 0;  // R; 0: the network uses no distances
  double distance_range = 6.0;             // in the vectors' units: the features' centres are spread evenly over [0, distance_range]
  std::int64_t num_pair_heads = 16;        // of the path along differences; used where R > 0
  double pair_gain = 1.0;                  // at least 1: the most that this path is multiplied by where there is little noise
};

// A transformer over the elements of a set (a molecule's atoms, a layout's boxes), as a function of named weights behind a prefix.
//
// Element i enters as the sum of what is known of it: its token's embedding, a linear map of its vector, and a learned vector for each of
// four bits (token frozen, vector frozen, token being reversed, vector being reversed). It carries no place, so that permuting the elements
// permutes the outputs. The blocks are those of DiT (Peebles and Xie, arXiv 2212.09748, "adaLN-Zero"): norms without weights, whose shift,
// scale and the branch's gate are linear in silu(time embedding) and start at 0; attention to present elements alone; an MLP with GELU; at
// the end a norm with shift and scale and two linear maps that start at 0. GELU is the exact one, which costs a fifth of its tanh form on a
// CPU. Time enters by diffusers' sinusoids (cosines first, frequency shift 0) and two layers.
//
// With num_distance_features R > 0 the network is given distances; from positions alone a small one hardly learns geometry. Distances d_ij
// of the noisy vectors give features f_r = exp(-((d_ij - c_r) / s)^2 / 2) at centres c_r a spacing s apart. They enter twice. (1) Each
// layer adds sum_r W_hr f_r to head h's attention scores. (2) The vector output gains sum_j w_ij (x_i - x_j), which turns with the set as
// the w do not: w_ij = sum_p g_p silu(q_ip . k_jp / sqrt(e) + sum_r V_pr f_r) / (number of elements), q and k linear in the last features,
// the gates g linear in silu(time embedding) and 0 at the start. (As EGNN moves points, arXiv 2102.09844.) The sum is multiplied by
// min(pair_gain, 1 / sin(pi t / 2000)), t the timestep, 0..1000: 1 / sigma of the cosine schedule, so that one field of displacements
// fits every small noise, however little it moves a point (Karras et al., arXiv 2206.00364, section 5).
//
// Absent elements' contents never matter, rows of a batch are independent, and a longer padding changes nothing but rounding. On a
// CPU it hardly costs anything either: there forward() trims the batch to its longest set and takes the present elements alone through all
// but the attention. On a GPU, where looking at the lengths would make the program wait, trim() the batch where its lengths are known.
class ElementTransformer {
 public:
  ElementTransformer(const Value& config, const std::string& origin);  // throws DataError naming origin and the key
  ~ElementTransformer();
  ElementTransformer(ElementTransformer&&) noexcept;

  // Computes in the weights' type; differentiable in them, and in input.vector. Throws DataError naming a tensor that the weights lack,
  // InternalError where the input's shapes do not fit the config.
  ElementOutput forward(const TensorMap& weights, const std::string& prefix, const ElementInput& input) const;

  // float32 weights, a function of (prefix, seed). Fresh outputs are 0.
  TensorMap initialize(const std::string& prefix, std::uint64_t seed) const;

  // Throws DataError naming origin and the first tensor behind the prefix that is missing, misshapen or unknown. Call it on what was read.
  void check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const;

  const ElementTransformerConfig& structure() const;
  const Value& config() const;  // every key, to be written as config.json

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::network
