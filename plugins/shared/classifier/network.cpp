#include "plugins/shared/classifier/network.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/network/layers.h"

namespace espalier::classifier {
namespace {

constexpr const char* kType = "convolutional_classifier";
constexpr std::int64_t kMostChannels = 4096;

network::WeightSpecs specs(const Config& config) {
  network::WeightSpecs specs;
  std::int64_t below = config.in_channels;
  for (std::size_t i = 0; i < config.channels.size(); ++i) {
    specs.conv2d("conv." + std::to_string(i), below, config.channels[i], 3);
    below = config.channels[i];
  }
  specs.linear("linear", below, static_cast<std::int64_t>(config.class_names.size()));
  return specs;
}

std::int64_t read_count(const Value& value, const std::string& what, const std::string& origin) {
  const std::int64_t count = value.as_integer();
  if (count < 1 || count > kMostChannels) {
    throw DataError(origin + ": " + what + " is " + std::to_string(count) + "; it must be from 1 to " + std::to_string(kMostChannels));
  }
  return count;
}

}  // namespace

Value Config::to_value() const {
  return Value::Map{{"type", kType},
                    {"in_channels", in_channels},
                    {"channels", Value::List(channels.begin(), channels.end())},
                    {"class_names", Value::List(class_names.begin(), class_names.end())}};
}

Config Config::from_value(const Value& value, const std::string& origin) {
  const std::vector<std::string> known = {"type", "in_channels", "channels", "class_names"};
  try {
    for (const auto& [key, ignored] : value.as_map()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        throw DataError("unknown key '" + key + "'" + did_you_mean(key, known));
      }
    }
    if (value.at("type").as_string() != kType) {
      throw DataError("type is '" + value.at("type").as_string() + "', not '" + kType + "'");
    }
    Config config;
    config.in_channels = read_count(value.at("in_channels"), "in_channels", "config");
    config.channels.clear();
    for (const Value& count : value.at("channels").as_list())
      config.channels.push_back(read_count(count, "an entry of channels", "config"));
    for (const Value& name : value.at("class_names").as_list()) config.class_names.push_back(name.as_string());
    if (config.channels.empty() || config.class_names.size() < 2) throw DataError("needs at least one level and two classes");
    return config;
  } catch (const DataError& error) {
    throw DataError(origin + ": no classifier's config: " + error.what());
  }
}

Weights initialize(const Config& config, std::uint64_t seed) { return specs(config).initialize("", seed); }

void check(const Config& config, const Weights& weights, const std::string& origin) { specs(config).check(weights, "", origin); }

at::Tensor features(const Config& config, const Weights& weights, const at::Tensor& image) {
  const network::Scope scope(weights, "");
  at::Tensor x = image.mul(2.0).sub(1.0);
  for (std::size_t i = 0; i < config.channels.size(); ++i)
    x = at::relu(network::conv2d(scope.at("conv", i), x, /*stride=*/2, /*padding=*/1));
  return x.mean({2, 3});
}

at::Tensor logits(const Config& config, const Weights& weights, const at::Tensor& image) {
  return network::linear(network::Scope(weights, "").at("linear"), features(config, weights, image));
}

}  // namespace espalier::classifier
