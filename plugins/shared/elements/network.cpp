#include "plugins/shared/elements/network.h"

#include <utility>

namespace espalier::elements {

ElementNetwork::ElementNetwork(network::ElementTransformer transformer) : transformer_(std::move(transformer)) {}

Value ElementNetwork::architecture() const { return Value::Map{{"transformer", transformer_.config()}}; }

TensorMap ElementNetwork::embed(const Weights&, const TensorMap&) const { return {}; }

State ElementNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const {
  const network::ElementInput input{noisy.at("token"),  noisy.at("vector"), noisy.at("present"),
                                    noisy.at("frozen"), noisy.at("visit"),  timestep};
  const auto output = transformer_.forward(weights, kTransformer, input);
  return {{"token", output.logits}, {"vector", output.vector}};
}

Weights ElementNetwork::initialize(std::uint64_t seed) const { return transformer_.initialize(kTransformer, seed); }

void ElementNetwork::check(const Weights& weights, const std::string& origin) const {
  transformer_.check(weights, kTransformer, origin + "/transformer");
}

}  // namespace espalier::elements
