#include "tests/runtime/training/convolutions.h"

#include <ATen/TensorOperators.h>

#include "runtime/network/adapter.h"
#include "runtime/network/layers.h"
#include "tests/conformance/toy.h"

namespace espalier::sft {
namespace {

class ConvolutionNetwork final : public Network {
 public:
  ConvolutionNetwork() {
    specs_.conv2d("conv_in", 3, 4, 3);
    specs_.linear("time", 1, 4);
    specs_.conv2d("conv_out", 4, 3, 3);
  }
  Value architecture() const override { return Value::Map{{"unet", Value::Map{{"_class_name", "ConvolutionNetwork"}}}}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    const network::Scope unet(weights, "unet.");
    auto x = network::conv2d(unet.at("conv_in"), noisy.at("sample"), 1, 1);
    x = x + network::linear(unet.at("time"), (timestep * 0.001).unsqueeze(1)).unsqueeze(-1).unsqueeze(-1);
    return {{"sample", network::conv2d(unet.at("conv_out"), network::silu(x), 1, 1)}};
  }
  Weights initialize(std::uint64_t seed) const override { return specs_.initialize("unet.", seed); }

 private:
  network::WeightSpecs specs_;
};

}  // namespace

Model convolutions() {
  auto model = conformance::toy_model();
  const auto network = std::make_shared<ConvolutionNetwork>();
  model.network = network;
  model.weights = network->initialize(1);
  model.info.architecture = network->architecture();
  model.info.digest = digest_weights(model.weights);
  model.info.modules = network::adaptable_modules(model.weights);
  return model;
}

}  // namespace espalier::sft
