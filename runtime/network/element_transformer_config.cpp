#include <fmt/format.h>

#include <cmath>

#include "runtime/network/config_keys.h"
#include "runtime/network/element_transformer_structure.h"

namespace espalier::network {
namespace {

std::vector<ConfigKey> element_keys() {
  using enum ConfigKey::Use;
  const Value given = nullptr;  // no default: null is refused
  const ElementTransformerConfig defaults;
  return {
      {"_class_name", "ElementTransformer", fixed},
      {"activation_fn", "gelu", fixed},
      {"distance_range", defaults.distance_range},
      {"hidden_size", defaults.hidden_size},
      {"max_elements", given},
      {"mlp_ratio", defaults.mlp_ratio},
      {"num_classes", given},
      {"num_distance_features", defaults.num_distance_features},
      {"num_heads", defaults.num_heads},
      {"num_layers", defaults.num_layers},
      {"num_pair_heads", defaults.num_pair_heads},
      {"pair_gain", defaults.pair_gain},
      {"vector_dim", given},
  };
}

// As DiT initialises its linear layers (Glorot and Bengio's uniform law, bias 0).
void glorot(WeightSpecs& specs, const std::string& name, std::int64_t in, std::int64_t out) {
  specs.add({name + ".weight", {out, in}, WeightSpec::Law::uniform, std::sqrt(6.0 / static_cast<double>(in + out))});
  specs.add({name + ".bias", {out}, WeightSpec::Law::constant, 0.0});
}

void zero(WeightSpecs& specs, const std::string& name, std::int64_t in, std::int64_t out) {
  specs.add({name + ".weight", {out, in}, WeightSpec::Law::constant, 0.0});
  specs.add({name + ".bias", {out}, WeightSpec::Law::constant, 0.0});
}

void distance_bias(WeightSpecs& specs, const std::string& name, std::int64_t heads, std::int64_t features) {
  specs.add({name + ".weight", {heads, features}, WeightSpec::Law::uniform, 1.0 / std::sqrt(static_cast<double>(features))});
}

// A vector of unit variance and a token begin with an equal share in the features, of variance 1/3 each.
void add_embeddings(WeightSpecs& specs, const ElementTransformerConfig& config) {
  using enum WeightSpec::Law;
  const auto width = config.hidden_size, dim = config.vector_dim;
  const auto spread = 1.0 / std::sqrt(3.0);
  specs.add({"token_embedding.weight", {config.num_classes + 1, width}, normal, spread});
  specs.add({"vector_embedding.weight", {width, dim}, uniform, 1.0 / std::sqrt(static_cast<double>(dim))});
  specs.add({"vector_embedding.bias", {width}, constant, 0.0});
  specs.add({"frozen_embedding.weight", {2, width}, normal, spread});
  specs.add({"visit_embedding.weight", {2, width}, normal, spread});
  for (const auto* name : {"time_embedding.linear_1", "time_embedding.linear_2"}) glorot(specs, name, width, width);
}

void add_block(WeightSpecs& specs, const ElementTransformerConfig& config, const std::string& block) {
  const auto width = config.hidden_size, features = config.num_distance_features;
  zero(specs, block + "norm.linear", width, 6 * width);
  glorot(specs, block + "attn.to_qkv", width, 3 * width);
  glorot(specs, block + "attn.to_out.0", width, width);
  if (features > 0) distance_bias(specs, block + "attn.distance_bias", config.num_heads, features);
  glorot(specs, block + "ff.net.0.proj", width, config.mlp_ratio * width);
  glorot(specs, block + "ff.net.2", config.mlp_ratio * width, width);
}

}  // namespace

Value complete_element_config(const Value& given, const std::string& origin) {
  auto config = complete_config(given, element_keys(), origin);
  for (const auto* key : {"distance_range", "pair_gain"}) {
    if (config.at(key).is_integer()) config[key] = config.at(key).as_number();  // one spelling in keys
  }
  return config;
}

ElementTransformerConfig read_element_config(const Value& complete, const std::string& origin) {
  const ConfigReader reader(complete, origin);
  ElementTransformerConfig config;
  config.num_classes = reader.natural("num_classes");
  config.vector_dim = reader.natural("vector_dim");
  config.hidden_size = reader.natural("hidden_size");
  config.num_layers = reader.natural("num_layers");
  config.num_heads = reader.natural("num_heads");
  config.mlp_ratio = reader.natural("mlp_ratio");
  config.max_elements = reader.natural("max_elements");
  reader.TypedTable::number("distance_range", config.distance_range, {.above = 0.0});
  config.num_pair_heads = reader.natural("num_pair_heads");
  reader.TypedTable::number("pair_gain", config.pair_gain, {.at_least = 1.0});
  if (config.hidden_size % 2 != 0) reader.refuse("hidden_size", "even, for as many sines as cosines of the time");
  if (config.hidden_size % config.num_heads != 0) reader.refuse("num_heads", "a divisor of hidden_size");
  const auto& features = complete.at("num_distance_features");
  const bool none = features.is_integer() && features.as_integer() == 0;
  if (!none) {
    config.num_distance_features = reader.natural("num_distance_features");
    if (config.num_distance_features == 1) reader.refuse("num_distance_features", "0 (no distances), or at least 2");
    if (config.hidden_size % config.num_pair_heads != 0) reader.refuse("num_pair_heads", "a divisor of hidden_size");
  }
  return config;
}

WeightSpecs element_weights(const ElementTransformerConfig& config) {
  WeightSpecs specs;
  const auto width = config.hidden_size;
  add_embeddings(specs, config);
  for (std::int64_t i = 0; i < config.num_layers; ++i) add_block(specs, config, fmt::format("transformer_blocks.{}.", i));
  zero(specs, "norm_out.linear", width, 2 * width);
  zero(specs, "proj_logits", width, config.num_classes);
  zero(specs, "proj_vector", width, config.vector_dim);
  if (config.num_distance_features > 0) {
    glorot(specs, "pair.to_qk", width, 2 * width);
    distance_bias(specs, "pair.distance_bias", config.num_pair_heads, config.num_distance_features);
    zero(specs, "pair.gate", width, config.num_pair_heads);
  }
  return specs;
}

}  // namespace espalier::network
