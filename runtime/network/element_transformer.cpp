#include "runtime/network/element_transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/network/element_transformer_structure.h"
#include "runtime/network/in_place.h"

namespace espalier::network {
namespace {

constexpr double kLayerNormEps = 1e-6;
constexpr double kAbsent = -1e30;          // added to a score: gives weight 0, and stays finite where every key is absent
constexpr double kSmallestExponent = -40;  // below float's precision, above the denormal numbers, which are twenty times as slow
constexpr double kWorthPacking = 0.9;      // gathering the present elements costs as much as a tenth of the padding

// In place where no gradient is recorded; the first argument is this file's own temporary.
at::Tensor add(at::Tensor x, const at::Tensor& y) { return at::GradMode::is_enabled() ? x + y : x.add_(y); }
at::Tensor multiply(at::Tensor x, const at::Tensor& y) { return at::GradMode::is_enabled() ? x * y : x.mul_(y); }
at::Tensor activated(at::Tensor x) { return at::GradMode::is_enabled() ? at::gelu(x) : at::gelu_(x); }
at::Tensor gaussian(at::Tensor x) {  // exp(-x^2)
  if (x.requires_grad()) return x.square().neg().clamp_min(kSmallestExponent).exp();
  return x.square_().neg_().clamp_min_(kSmallestExponent).exp_();
}
at::Tensor add_gated(at::Tensor x, const at::Tensor& gate, const at::Tensor& y) {
  return at::GradMode::is_enabled() ? at::addcmul(x, gate, y) : x.addcmul_(gate, y);
}

// One evaluation: the structure walked over one set of weights.
class Evaluation {
 public:
  Evaluation(const ElementTransformerConfig& config, Scope weights, const ElementInput& input)
      : config_(config), weights_(std::move(weights)), batch_(input.token.size(0)), elements_(input.token.size(1)) {
    const auto type = weights_.at("token_embedding")["weight"].scalar_type();
    zero_ = at::scalar_tensor(0, input.vector.options().dtype(type));
    present_ = input.present.unsqueeze(-1);
    vector_ = at::where(present_, input.vector.to(type), zero_);
    if (input.present.is_cpu()) pack_present(input.present.flatten());
    mask_ = at::where(input.present, zero_, at::scalar_tensor(kAbsent, zero_.options())).unsqueeze(1).unsqueeze(0);
  }

  ElementOutput run(const ElementInput& input) {
    const auto time = embed_time(input.timestep);
    score_biases();
    auto x = embed(input);
    for (std::int64_t i = 0; i < config_.num_layers; ++i) {
      const auto layer = static_cast<std::size_t>(i);
      x = block(weights_.at("transformer_blocks", layer), std::move(x), time, biases_[config_.num_distance_features > 0 ? layer : 0]);
    }
    const auto last = for_elements(linear(weights_.at("norm_out.linear"), time)).chunk(2, -1);
    x = modulated(x, last[0], last[1]);
    const auto logits = padded(linear(weights_.at("proj_logits"), x));
    auto vector = padded(linear(weights_.at("proj_vector"), x));
    if (config_.num_distance_features > 0) vector = vector + along_differences(weights_.at("pair"), x, time, pair_gain(input.timestep));
    return {at::where(present_, logits, zero_), at::where(present_, vector, zero_)};
  }

 private:
  // Where a good share of the elements is absent, features are kept for the present ones alone, [N, C] instead of [B, M, C].
  void pack_present(const at::Tensor& present) {
    const auto packed = present.nonzero().squeeze(1);
    const auto count = static_cast<double>(packed.size(0));
    if (count == 0 || count > kWorthPacking * static_cast<double>(present.size(0))) return;
    packed_ = packed;
    row_ = packed.floor_divide(elements_);
    place_ = (present.cumsum(0) - 1).clamp_min(0);
  }

  // [B, M, C] as the features are kept.
  at::Tensor kept(const at::Tensor& x) const { return packed_.defined() ? x.flatten(0, 1).index_select(0, packed_) : x; }

  // Features as [B, M, C]; an absent element holds another's, which is never read.
  at::Tensor padded(const at::Tensor& x) const {
    return packed_.defined() ? x.index_select(0, place_).view({batch_, elements_, x.size(-1)}) : x;
  }

  // What belongs to a row, [B or 1, C], beside each of its elements' features.
  at::Tensor for_elements(const at::Tensor& x) const {
    if (!packed_.defined()) return x.unsqueeze(1);
    return x.size(0) == 1 ? x : x.index_select(0, row_);
  }

  // silu of the time embedding, from which every norm's shift and scale start. [B, C] or [1, C]
  at::Tensor embed_time(const at::Tensor& timestep) const {
    const auto scope = weights_.at("time_embedding");
    const auto sinusoids = timestep_sinusoids(timestep.to(zero_.device()), config_.hidden_size, /*flip_sin_to_cos=*/true, /*freq_shift=*/0);
    return silu_(linear(scope.at("linear_2"), silu_(linear(scope.at("linear_1"), sinusoids.to(zero_.scalar_type())))));
  }

  // All that is not the token goes through one product. [B, M, C]
  at::Tensor embed(const ElementInput& input) const {
    const auto position = at::arange(2 * elements_, input.visit.options()).view({1, elements_, 2});
    const auto visited = (position == input.visit.view({-1, 1, 1})).to(zero_.scalar_type());   // [B, M, 2]
    const auto known = at::cat({vector_, input.frozen.to(zero_.scalar_type()), visited}, -1);  // [B, M, D + 4]
    const auto map = at::cat({weights_.at("vector_embedding")["weight"].t(), weights_.at("frozen_embedding")["weight"],
                              weights_.at("visit_embedding")["weight"]});  // [D + 4, C]
    const auto token = at::embedding(weights_.at("token_embedding")["weight"], input.token.masked_fill(input.present.logical_not(), 0));
    const auto known_rows = known.flatten(0, 1);
    const auto from_known = at::addmm(weights_.at("vector_embedding")["bias"], known_rows, map);
    return kept(token + from_known.view(token.sizes()));
  }

  // What every layer adds to its scores, [H * B, M, M] a layer (one for all without distances); and the pair heads' [P * B, M, M].
  void score_biases() {
    const auto heads = config_.num_heads, layers = config_.num_layers;
    const auto shape = std::vector<std::int64_t>{heads * batch_, elements_, elements_};
    if (config_.num_distance_features == 0) {
      biases_ = {mask_.expand({heads, batch_, elements_, elements_}).reshape(shape)};
      return;
    }
    std::vector<at::Tensor> maps;  // one product for all layers: [heads * layers + P, R]
    for (std::int64_t i = 0; i < layers; ++i) {
      maps.push_back(weights_.at("transformer_blocks", static_cast<std::size_t>(i)).at("attn.distance_bias")["weight"]);
    }
    maps.push_back(weights_.at("pair.distance_bias")["weight"]);
    const auto all = at::mm(at::cat(maps), distance_features().t());  // [.., B * M * M]
    const auto parts = all.split_with_sizes({heads * layers, config_.num_pair_heads});
    biases_ = add(parts[0].view({heads * layers, batch_, elements_, elements_}), mask_)
                  .view({layers, heads * batch_, elements_, elements_})
                  .unbind();
    pair_bias_ = parts[1].view({config_.num_pair_heads * batch_, elements_, elements_});
  }

  // [B * M * M, R]
  at::Tensor distance_features() const {
    const auto features = config_.num_distance_features;
    const auto spacing = config_.distance_range / static_cast<double>(features - 1);
    const auto scale = std::sqrt(0.5) / spacing;
    const auto distance =
        at::cdist(vector_, vector_, 2.0, /*compute_mode=*/2).flatten().unsqueeze(-1);  // mode 2: by differences, exact near 0
    const auto centres = at::linspace(0.0, config_.distance_range * scale, features, vector_.options());
    return gaussian(distance * scale - centres);
  }

  static at::Tensor modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
    return at::addcmul(shift, at::layer_norm(x, {x.size(-1)}, {}, {}, kLayerNormEps), scale + 1.0);
  }

  at::Tensor block(const Scope& scope, at::Tensor x, const at::Tensor& time, const at::Tensor& bias) const {
    const auto norm = for_elements(linear(scope.at("norm.linear"), time)).chunk(6, -1);
    const auto mixed = attend(scope.at("attn"), modulated(x, norm[0], norm[1]), bias);
    x = add_gated(std::move(x), norm[2], mixed);
    const auto inner = activated(linear(scope.at("ff.net.0.proj"), modulated(x, norm[3], norm[4])));
    return add_gated(std::move(x), norm[5], linear(scope.at("ff.net.2"), inner));
  }

  // [B, M, n * C] as n tensors [heads * B, M, C / heads].
  std::vector<at::Tensor> split_heads(const at::Tensor& x, std::int64_t count, std::int64_t heads) const {
    const auto width = x.size(-1) / (count * heads);
    const auto parts = x.view({batch_, elements_, count, heads, width}).permute({2, 3, 0, 1, 4});
    return parts.contiguous().view({count, heads * batch_, elements_, width}).unbind();
  }

  // Written as its two products: as fast as the CPU's fused attention for so few elements, and faster with gradients and biases.
  at::Tensor attend(const Scope& scope, const at::Tensor& x, const at::Tensor& bias) const {
    const auto qkv = split_heads(padded(linear(scope.at("to_qkv"), x)), 3, config_.num_heads);
    const auto scale = 1.0 / std::sqrt(static_cast<double>(qkv[0].size(-1)));
    const auto share = at::softmax(at::baddbmm(bias, qkv[0], qkv[1].transpose(1, 2), 1.0, scale), -1);  // [H * B, M, M]
    const auto mixed = at::bmm(share, qkv[2]).view({config_.num_heads, batch_, elements_, qkv[2].size(-1)});
    return linear(scope.at("to_out.0"), kept(mixed.permute({1, 2, 0, 3}).reshape({batch_, elements_, config_.hidden_size})));
  }

  // [B or 1, 1]; undefined where it is 1.
  at::Tensor pair_gain(const at::Tensor& timestep) const {
    if (config_.pair_gain == 1.0) return {};
    const auto sigma = (timestep.to(zero_.device()).to(zero_.scalar_type()) * (std::numbers::pi / 2000.0)).sin();
    return sigma.clamp_min(1.0 / config_.pair_gain).reciprocal().unsqueeze(-1);
  }

  // gain sum_j w_ij (x_i - x_j). [B, M, D]
  at::Tensor along_differences(const Scope& scope, const at::Tensor& x, const at::Tensor& time, const at::Tensor& gain) const {
    const auto heads = config_.num_pair_heads;
    const auto qk = split_heads(padded(linear(scope.at("to_qk"), x)), 2, heads);
    const auto scale = 1.0 / std::sqrt(static_cast<double>(qk[0].size(-1)));
    const auto scores =
        silu_(at::baddbmm(pair_bias_, qk[0], qk[1].transpose(1, 2), 1.0, scale)).view({heads, batch_, elements_, elements_});
    const auto count = present_.sum(1, /*keepdim=*/true).clamp_min(1);  // [B, 1, 1]
    auto open = linear(scope.at("gate"), time);                         // [B or 1, P]
    if (gain.defined()) open = open * gain;
    const auto gate = (open.unsqueeze(-1) / count).permute({1, 0, 2}).unsqueeze(-1);           // [P, B, 1, 1]
    const auto w = at::where(present_.transpose(1, 2), multiply(scores, gate).sum(0), zero_);  // [B, M, M]
    return w.sum(-1, /*keepdim=*/true) * vector_ - at::bmm(w, vector_);
  }

  const ElementTransformerConfig& config_;
  Scope weights_;
  std::int64_t batch_, elements_;
  at::Tensor packed_, row_, place_;  // of each kept element: its place in B * M and its row; of each of B * M: its place among the kept
  at::Tensor zero_, present_, vector_, mask_;  // [], [B, M, 1], [B, M, D], [1, B, 1, M]
  std::vector<at::Tensor> biases_;
  at::Tensor pair_bias_;
};

void expect(const at::Tensor& tensor, std::vector<std::int64_t> shape, const char* name) {
  if (tensor.sizes() == at::IntArrayRef(shape)) return;
  throw InternalError(fmt::format("ElementTransformer: {} has the shape [{}], expected [{}]", name, fmt::join(tensor.sizes(), ", "),
                                  fmt::join(shape, ", ")));
}

void check_shapes(const ElementTransformerConfig& config, const ElementInput& input) {
  if (input.token.dim() != 2)
    throw InternalError(fmt::format("ElementTransformer: token has {} dimensions, expected 2", input.token.dim()));
  const auto batch = input.token.size(0), elements = input.token.size(1);
  expect(input.vector, {batch, elements, config.vector_dim}, "vector");
  expect(input.present, {batch, elements}, "present");
  expect(input.frozen, {batch, elements, 2}, "frozen");
  expect(input.visit, {batch}, "visit");
  expect(input.timestep, {input.timestep.numel() == 1 ? 1 : batch}, "timestep");
}

}  // namespace

struct ElementTransformer::Impl {
  Value config;
  ElementTransformerConfig structure;
  WeightSpecs weights;
};

ElementTransformer::ElementTransformer(const Value& config, const std::string& origin) : impl_(std::make_unique<Impl>()) {
  impl_->config = complete_element_config(config, origin);
  impl_->structure = read_element_config(impl_->config, origin);
  impl_->weights = element_weights(impl_->structure);
}
ElementTransformer::~ElementTransformer() = default;
ElementTransformer::ElementTransformer(ElementTransformer&&) noexcept = default;

ElementOutput ElementTransformer::forward(const TensorMap& weights, const std::string& prefix, const ElementInput& input) const {
  check_shapes(impl_->structure, input);
  const auto evaluate = [&](const ElementInput& given) { return Evaluation(impl_->structure, {weights, prefix}, given).run(given); };
  return input.present.is_cpu() ? pad(evaluate(trim(input)), input.present.size(1)) : evaluate(input);
}

TensorMap ElementTransformer::initialize(const std::string& prefix, std::uint64_t seed) const {
  return impl_->weights.initialize(prefix, seed);
}

void ElementTransformer::check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const {
  impl_->weights.check(weights, prefix, origin);
}

const ElementTransformerConfig& ElementTransformer::structure() const { return impl_->structure; }

const Value& ElementTransformer::config() const { return impl_->config; }

}  // namespace espalier::network
