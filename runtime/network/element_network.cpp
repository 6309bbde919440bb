#include "runtime/network/element_network.h"

#include <utility>

namespace espalier::network {
namespace {

constexpr const char* kTransformer = "transformer.";  // prefix of its names in Weights

}  // namespace

ElementNetwork::ElementNetwork(ElementTransformer transformer) : transformer_(std::move(transformer)) {}

Value ElementNetwork::architecture() const { return Value::Map{{"transformer", transformer_.config()}}; }

State ElementNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const {
  const ElementInput input{noisy.at("token"), noisy.at("vector"), noisy.at("present"), noisy.at("frozen"), noisy.at("visit"), timestep};
  const auto output = transformer_.forward(weights, kTransformer, input);
  return {{"token", output.logits}, {"vector", output.vector}};
}

Weights ElementNetwork::initialize(std::uint64_t seed) const { return transformer_.initialize(kTransformer, seed); }

void ElementNetwork::check(const Weights& weights, const std::string& origin) const {
  transformer_.check(weights, kTransformer, origin + "/transformer");
}

std::shared_ptr<const Network> make_element_network(const ComponentConfigs& configs, const NetworkSettings&) {
  const auto& [config, origin] = configs.at("transformer");
  return std::make_shared<ElementNetwork>(ElementTransformer(config, origin));
}

}  // namespace espalier::network
