#include "signals_network.h"

#include "runtime/network/config_keys.h"
#include "runtime/network/layers.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;
using namespace espalier::network;

constexpr const char* kDenoiser = "denoiser.";  // prefix of the weights' names

class SignalsNetwork final : public Network {
 public:
  SignalsNetwork(const Value& config, const std::string& origin)
      : config_(complete_config(
            config, {{"_class_name", "SignalsNetwork"}, {"num_points", 32}, {"num_classes", 1}, {"hidden_size", 64}, {"num_layers", 2}},
            origin)) {
    const ConfigReader reader(config_, origin);
    const auto points = reader.natural("num_points"), width = width_ = reader.natural("hidden_size");
    layers_ = static_cast<std::size_t>(reader.natural("num_layers"));
    specs_.add({"label.weight", {reader.natural("num_classes") + 1, width}, WeightSpec::Law::normal, 1.0});
    specs_.linear("time.linear_1", width, width);
    specs_.linear("time.linear_2", width, width);
    specs_.linear("input", points, width);
    for (std::size_t i = 0; i < layers_; ++i) {
      const auto layer = "layers." + std::to_string(i);
      specs_.norm(layer + ".norm", width);
      specs_.linear(layer + ".linear_1", width, 4 * width);
      specs_.linear(layer + ".linear_2", 4 * width, width);
    }
    specs_.norm("norm", width);
    specs_.linear("output", width, points);
  }

  Value architecture() const override { return Value::Map{{"denoiser", config_}}; }
  Weights initialize(std::uint64_t seed) const override { return specs_.initialize(kDenoiser, seed); }

  TensorMap embed(const Weights& weights, const TensorMap& condition) const override {
    return {{"label", Scope(weights, kDenoiser).at("label")["weight"].index_select(0, condition.at("label"))}};  // [B, C]
  }

  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override {
    const Scope scope(weights, kDenoiser);
    const auto time = linear(scope.at("time.linear_1"), timestep_sinusoids(timestep, width_, true, 0.0));
    const auto given = linear(scope.at("time.linear_2"), silu(time)) + embedded.at("label");  // [B, C]
    auto x = linear(scope.at("input"), noisy.at("signal"));                                   // [B, C]
    for (std::size_t i = 0; i < layers_; ++i) {
      const auto layer = scope.at("layers", i);
      const auto inner = linear(layer.at("linear_1"), layer_norm(layer.at("norm"), x + given, 1e-5));  // [B, 4 C]
      x = x + linear(layer.at("linear_2"), silu(inner));
    }
    return {{"signal", linear(scope.at("output"), layer_norm(scope.at("norm"), x, 1e-5))}};
  }

 private:
  Value config_;
  WeightSpecs specs_;
  std::int64_t width_ = 0;  // C
  std::size_t layers_ = 0;
};

}  // namespace

std::shared_ptr<const Network> make_signals_network(const Value& config, const std::string& origin) {
  return std::make_shared<const SignalsNetwork>(config, origin);
}
