#pragma once

#include "runtime/modelfile/model.h"
#include "runtime/network/element_transformer.h"

namespace espalier::elements {

inline constexpr const char* kTransformer = "transformer.";  // prefix of its names in Weights

// The denoiser of sets of elements: the states of diffusion/interleaved.h, what its network_input() adds, and no condition beside them.
class ElementNetwork final : public Network {
 public:
  explicit ElementNetwork(network::ElementTransformer transformer);

  Value architecture() const override;  // {"transformer": config}, with every default filled in
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;
  // {"token": logits [B, M, K], "vector": [B, M, D]}
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;

  void check(const Weights& weights, const std::string& origin) const;  // throws DataError
  const network::ElementTransformerConfig& structure() const { return transformer_.structure(); }

 private:
  network::ElementTransformer transformer_;
};

}  // namespace espalier::elements
