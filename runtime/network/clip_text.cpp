#include "runtime/network/clip_text.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/index.h>
#include <ATen/ops/sigmoid.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/network/config_keys.h"
#include "runtime/network/layers.h"

namespace espalier::network {
namespace {

constexpr const char* kWithProjection = "CLIPTextModelWithProjection";

std::vector<ConfigKey> clip_keys() {
  using enum ConfigKey::Use;
  const Value none = nullptr;
  return {
      {"_name_or_path", "", ignored},
      {"architectures", Value::List{"CLIPTextModel"}},
      {"attention_dropout", 0.0, fixed},
      {"bos_token_id", 49406},
      {"dropout", 0.0, ignored},
      {"dtype", "float32", ignored},
      {"eos_token_id", 49407},
      {"hidden_act", "quick_gelu"},
      {"hidden_size", 512},
      {"initializer_factor", 1.0},
      {"initializer_range", 0.02},
      {"intermediate_size", 2048},
      {"layer_norm_eps", 1e-5},
      {"max_position_embeddings", 77},
      {"model_type", "clip_text_model", fixed},
      {"num_attention_heads", 8},
      {"num_hidden_layers", 12},
      {"pad_token_id", 1},
      {"projection_dim", 512},
      {"torch_dtype", "float32", ignored},
      {"transformers_version", "", ignored},
      {"vocab_size", 49408},
  };
}

struct Structure {
  std::int64_t vocabulary, positions, width, inner, layers, heads;
  std::int64_t projection;  // 0: none
  double eps, factor;
  bool quick_gelu;
};

bool names_projection(const Value& architectures) {
  return architectures.is_list() && std::ranges::find(architectures.as_list(), Value(kWithProjection)) != architectures.as_list().end();
}

Structure read_structure(const Value& config, const std::string& origin) {
  const ConfigReader reader(config, origin);
  Structure text{};
  text.vocabulary = reader.natural("vocab_size", 1 << 24);
  text.positions = reader.natural("max_position_embeddings");
  text.width = reader.natural("hidden_size");
  text.inner = reader.natural("intermediate_size");
  text.layers = reader.natural("num_hidden_layers");
  text.heads = reader.natural("num_attention_heads");
  if (text.width % text.heads != 0) reader.refuse("num_attention_heads", "a divisor of hidden_size");
  text.projection = names_projection(config.at("architectures")) ? reader.natural("projection_dim") : 0;
  text.eps = reader.number("layer_norm_eps");
  text.factor = reader.number("initializer_factor");
  text.quick_gelu = reader.text("hidden_act", {"quick_gelu", "gelu"}) == "quick_gelu";
  return text;
}

// transformers' CLIPPreTrainedModel._init_weights.
WeightSpecs weights_of(const Structure& text) {
  using enum WeightSpec::Law;
  const auto width = static_cast<double>(text.width);
  const auto depth = std::sqrt(2.0 * static_cast<double>(text.layers));
  const auto in_std = text.factor / std::sqrt(width) / depth;
  const auto out_std = text.factor / std::sqrt(width);
  const auto fc_std = text.factor / std::sqrt(2.0 * width);
  WeightSpecs specs;
  const auto linear = [&specs](const std::string& name, std::int64_t in, std::int64_t out, double std) {
    specs.add({name + ".weight", {out, in}, normal, std});
    specs.add({name + ".bias", {out}, constant, 0.0});
  };
  specs.add({"text_model.embeddings.token_embedding.weight", {text.vocabulary, text.width}, normal, 0.02 * text.factor});
  specs.add({"text_model.embeddings.position_embedding.weight", {text.positions, text.width}, normal, 0.02 * text.factor});
  for (std::int64_t i = 0; i < text.layers; ++i) {
    const auto layer = fmt::format("text_model.encoder.layers.{}.", i);
    for (const auto* name : {"q_proj", "k_proj", "v_proj"}) linear(layer + "self_attn." + name, text.width, text.width, in_std);
    linear(layer + "self_attn.out_proj", text.width, text.width, out_std);
    linear(layer + "mlp.fc1", text.width, text.inner, fc_std);
    linear(layer + "mlp.fc2", text.inner, text.width, in_std);
    specs.norm(layer + "layer_norm1", text.width);
    specs.norm(layer + "layer_norm2", text.width);
  }
  specs.norm("text_model.final_layer_norm", text.width);
  if (text.projection > 0) specs.add({"text_projection.weight", {text.projection, text.width}, normal, out_std});
  return specs;
}

at::Tensor encoder_layer(const Structure& text, const Scope& scope, const at::Tensor& x) {
  const auto normed = layer_norm(scope.at("layer_norm1"), x, text.eps);  // [B, L, D]
  const auto self = scope.at("self_attn");
  const auto mixed =
      attention(linear(self.at("q_proj"), normed), linear(self.at("k_proj"), normed), linear(self.at("v_proj"), normed), text.heads,
                /*causal=*/true);
  const auto h = x + linear(self.at("out_proj"), mixed);
  const auto inner = linear(scope.at("mlp.fc1"), layer_norm(scope.at("layer_norm2"), h, text.eps));
  const auto activated = text.quick_gelu ? inner * at::sigmoid(1.702 * inner) : at::gelu(inner);
  return h + linear(scope.at("mlp.fc2"), activated);
}

}  // namespace

struct ClipText::Impl {
  Value config;
  Structure structure;
  WeightSpecs weights;
};

ClipText::ClipText(const Value& config, const std::string& origin) : impl_(std::make_unique<Impl>()) {
  impl_->config = complete_config(config, clip_keys(), origin);
  for (const auto* key : {"layer_norm_eps", "initializer_factor", "initializer_range"}) {
    if (impl_->config.at(key).is_integer()) impl_->config[key] = impl_->config.at(key).as_number();
  }
  impl_->structure = read_structure(impl_->config, origin);
  impl_->weights = weights_of(impl_->structure);
}
ClipText::~ClipText() = default;
ClipText::ClipText(ClipText&&) noexcept = default;

ClipText::Output ClipText::forward(const TensorMap& weights, const std::string& prefix, const at::Tensor& input_ids) const {
  const auto& text = impl_->structure;
  if (input_ids.size(1) > text.positions) {
    throw DataError(fmt::format("a text of {} tokens, but max_position_embeddings is {}", input_ids.size(1), text.positions));
  }
  const auto scope = Scope(weights, prefix).at("text_model");
  Output output;
  auto& states = output.hidden_states;
  states.push_back(at::embedding(scope.at("embeddings.token_embedding")["weight"], input_ids) +
                   scope.at("embeddings.position_embedding")["weight"].narrow(0, 0, input_ids.size(1)).unsqueeze(0));  // [B, L, D]
  for (std::int64_t i = 0; i < text.layers; ++i) {
    states.push_back(encoder_layer(text, scope.at("encoder.layers", static_cast<std::size_t>(i)), states.back()));
  }
  if (text.projection > 0) {
    const auto rows = at::arange(input_ids.size(0), input_ids.options()), ends = input_ids.argmax(1);
    output.text_embeds =
        projection(Scope(weights, prefix).at("text_projection"), final_layer_norm(weights, prefix, states.back()).index({rows, ends}));
  }
  return output;
}

at::Tensor ClipText::final_layer_norm(const TensorMap& weights, const std::string& prefix, const at::Tensor& hidden_state) const {
  return layer_norm(Scope(weights, prefix).at("text_model.final_layer_norm"), hidden_state, impl_->structure.eps);
}

bool ClipText::has_projection() const { return impl_->structure.projection > 0; }

TensorMap ClipText::initialize(const std::string& prefix, std::uint64_t seed) const { return impl_->weights.initialize(prefix, seed); }

void ClipText::check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const {
  impl_->weights.check(weights, prefix, origin);
}

TensorMap ClipText::rename(TensorMap weights, const std::string& prefix) {
  TensorMap renamed;
  for (auto& [name, tensor] : weights) {
    const bool ours = name.starts_with(prefix);
    const auto rest = ours ? name.substr(prefix.size()) : name;
    if (ours && rest.ends_with("embeddings.position_ids")) continue;  // 0, 1, 2, ...: not a weight
    const bool named = rest.starts_with("text_model.") || rest.starts_with("text_projection.");
    renamed.emplace(ours && !named ? prefix + "text_model." + rest : name, std::move(tensor));
  }
  return renamed;
}

const Value& ClipText::config() const { return impl_->config; }

}  // namespace espalier::network
