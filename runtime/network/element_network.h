#pragma once

#include "runtime/network/element_transformer.h"
#include "runtime/network/registry.h"

namespace espalier::network {

// The denoiser of sets of elements: the states of diffusion/interleaved.h, what its network_input() adds, and no condition beside them.
class ElementNetwork final : public Network {
 public:
  explicit ElementNetwork(ElementTransformer transformer);

  Value architecture() const override;  // {"transformer": config}, with every default filled in
  // {"token": logits [B, M, K], "vector": [B, M, D]}
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;
  void check(const Weights& weights, const std::string& origin) const override;

 private:
  ElementTransformer transformer_;
};

std::shared_ptr<const Network> make_element_network(const ComponentConfigs& configs, const NetworkSettings& settings);

}  // namespace espalier::network
