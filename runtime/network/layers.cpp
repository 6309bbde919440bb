#include "runtime/network/layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/full.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/network/adapter.h"
#include "runtime/network/in_place.h"
#include "runtime/random/draws.h"
#include "runtime/random/streams.h"

namespace espalier::network {

namespace {

using Layer = Scope::Layer;

at::Tensor matrix(const at::Tensor& weight) { return weight.dim() == 2 ? weight : weight.flatten(1); }  // [out, in]

// weight [out, in(, 1, 1)] for every place of x [B, in, H, W]; an undefined bias is 0.
at::Tensor map_channels(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x) {
  const auto maps = matrix(weight).expand({x.size(0), -1, -1});
  const auto mapped = bias.defined() ? at::baddbmm(bias.unsqueeze(-1), maps, x.flatten(2)) : at::bmm(maps, x.flatten(2));
  return mapped.view({x.size(0), -1, x.size(2), x.size(3)});
}

// y + B (A x) of the layer's adapter; y is a temporary.
at::Tensor with_adapter(const Layer& layer, at::Tensor y, const at::Tensor& x) {
  if (layer.lora_A == nullptr) return y;
  const auto low = at::linear(x.to(layer.lora_A->scalar_type()), matrix(*layer.lora_A));
  return y.add_(at::linear(low, matrix(*layer.lora_B)));
}

}  // namespace

const at::Tensor& Scope::operator[](std::string_view name) const {
  const auto found = weights_->find(prefix_ + std::string(name));
  if (found == weights_->end()) lack(name);
  if (name == "weight" && weights_->contains(prefix_ + std::string(kLoraA))) refuse_adapter();
  return found->second;
}

// "bias", "lora_A.weight", "lora_B.weight" and "weight" follow each other in the map, but for modules below this one.
Scope::Layer Scope::layer() const {
  Layer layer;
  for (auto it = weights_->lower_bound(prefix_ + "bias"); it != weights_->end() && it->first.starts_with(prefix_); ++it) {
    const auto name = std::string_view(it->first).substr(prefix_.size());
    if (name == "weight") layer.weight = &it->second;
    if (name >= "weight") break;
    if (name == "bias") layer.bias = &it->second;
    if (name == kLoraA) layer.lora_A = &it->second;
    if (name == kLoraB) layer.lora_B = &it->second;
  }
  if (layer.weight == nullptr) lack("weight");
  if (layer.lora_A != nullptr && layer.lora_B == nullptr) lack(kLoraB);
  return layer;
}

Scope::Layer Scope::layer_with_bias() const {
  const auto found = layer();
  if (found.bias == nullptr) lack("bias");
  return found;
}

TensorMap Scope::all() const {
  auto first = weights_->lower_bound(prefix_), last = first;
  while (last != weights_->end() && last->first.starts_with(prefix_)) ++last;
  return {first, last};
}

void Scope::lack(std::string_view name) const { throw DataError(fmt::format("the weights lack the tensor '{}{}'", prefix_, name)); }

void Scope::refuse_adapter() const {
  throw DataError(
      fmt::format("'{}weight' has an adapter, but the network reads this weight itself and would leave the adapter out: take the "
                  "module out of target_modules",
                  prefix_));
}

at::Tensor linear(const Scope& scope, const at::Tensor& x) {
  const auto layer = scope.layer_with_bias();
  const auto type = x.scalar_type();
  return with_adapter(layer, at::linear(x, matrix(*layer.weight).to(type), layer.bias->to(type)), x);
}

at::Tensor projection(const Scope& scope, const at::Tensor& x) {
  const auto layer = scope.layer();
  return with_adapter(layer, at::linear(x, *layer.weight), x);
}

at::Tensor conv2d(const Scope& scope, const at::Tensor& x, std::int64_t stride, std::int64_t padding) {
  const auto layer = scope.layer_with_bias();
  auto y = at::conv2d(x, *layer.weight, *layer.bias, stride, padding);
  if (layer.lora_A == nullptr) return y;
  const auto low = at::conv2d(x.to(layer.lora_A->scalar_type()), *layer.lora_A, {}, stride, padding);
  return y.add_(map_channels(*layer.lora_B, {}, low));
}

at::Tensor channel_map(const Scope& scope, const at::Tensor& x) {
  const auto layer = scope.layer_with_bias();
  auto y = map_channels(*layer.weight, *layer.bias, x);
  if (layer.lora_A == nullptr) return y;
  return y.add_(map_channels(*layer.lora_B, {}, map_channels(*layer.lora_A, {}, x.to(layer.lora_A->scalar_type()))));
}

at::Tensor group_norm(const Scope& scope, const at::Tensor& x, std::int64_t groups, double eps) {
  const auto layer = scope.layer_with_bias();
  return at::group_norm(x, groups, *layer.weight, *layer.bias, eps);
}

at::Tensor layer_norm(const Scope& scope, const at::Tensor& x, double eps) {
  const auto layer = scope.layer_with_bias();
  return at::layer_norm(x, {x.size(-1)}, *layer.weight, *layer.bias, eps);
}

at::Tensor silu(const at::Tensor& x) { return at::silu(x); }

at::Tensor silu_(at::Tensor&& x) { return at::GradMode::is_enabled() ? at::silu(x) : at::silu_(x); }

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, std::int64_t heads, bool causal) {
  const auto split = [heads](const at::Tensor& x) { return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2); };  // [B, h, N, d]
  const auto mixed = at::scaled_dot_product_attention(split(query), split(key), split(value), {}, 0.0, causal);
  return mixed.transpose(1, 2).reshape(query.sizes());
}

at::Tensor timestep_sinusoids(const at::Tensor& timestep, std::int64_t channels, bool flip_sin_to_cos, double freq_shift) {
  const auto half = channels / 2;
  const auto index = at::arange(half, timestep.options().dtype(at::kFloat));
  const auto frequency = (index * -std::log(10000.0) / (static_cast<double>(half) - freq_shift)).exp();
  const auto angle = timestep.to(at::kFloat).unsqueeze(1) * frequency.unsqueeze(0);
  auto embedding = flip_sin_to_cos ? at::cat({angle.cos(), angle.sin()}, 1) : at::cat({angle.sin(), angle.cos()}, 1);
  return channels % 2 == 0 ? embedding : at::constant_pad_nd(embedding, {0, 1});
}

void WeightSpecs::linear(const std::string& name, std::int64_t in, std::int64_t out, bool bias) {
  const auto bound = 1.0 / std::sqrt(static_cast<double>(in));
  add({name + ".weight", {out, in}, WeightSpec::Law::uniform, bound});
  if (bias) add({name + ".bias", {out}, WeightSpec::Law::uniform, bound});
}

void WeightSpecs::conv2d(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel) {
  const auto bound = 1.0 / std::sqrt(static_cast<double>(in * kernel * kernel));
  add({name + ".weight", {out, in, kernel, kernel}, WeightSpec::Law::uniform, bound});
  add({name + ".bias", {out}, WeightSpec::Law::uniform, bound});
}

void WeightSpecs::norm(const std::string& name, std::int64_t channels) {
  add({name + ".weight", {channels}, WeightSpec::Law::constant, 1.0});
  add({name + ".bias", {channels}, WeightSpec::Law::constant, 0.0});
}

TensorMap WeightSpecs::initialize(const std::string& prefix, std::uint64_t seed) const {
  // The prefix enters the key, so that two networks of one model do not share their noise.
  random::Draws draws(random::streams::initial_weights(seed, crc32c(prefix)), {0});
  auto sorted = specs_;
  std::ranges::sort(sorted, {}, &WeightSpec::name);
  TensorMap weights;
  std::uint32_t ordinal = 0;
  for (const auto& spec : sorted) {
    draws.begin(ordinal++);
    auto& tensor = weights[prefix + spec.name];
    switch (spec.law) {
      case WeightSpec::Law::constant:
        tensor = at::full(spec.shape, spec.scale, at::kFloat);
        break;
      case WeightSpec::Law::uniform:
        tensor = draws.uniforms(spec.shape).select(0, 0).mul(2.0).sub(1.0).mul(spec.scale).to(at::kFloat).contiguous();
        break;
      case WeightSpec::Law::normal:
        tensor = draws.normals(spec.shape).select(0, 0).mul(spec.scale).contiguous();
        break;
    }
  }
  return weights;
}

void WeightSpecs::check(const TensorMap& weights, const std::string& prefix, const std::string& origin) const {
  std::vector<std::string> known;
  for (const auto& spec : specs_) {
    const auto name = prefix + spec.name;
    known.push_back(name);
    const auto found = weights.find(name);
    if (found == weights.end()) throw DataError(fmt::format("{}: no tensor '{}'", origin, name));
    if (found->second.sizes() != at::IntArrayRef(spec.shape)) {
      throw DataError(fmt::format("{}: tensor '{}' has the shape [{}], the config asks for [{}]", origin, name,
                                  fmt::join(found->second.sizes(), ", "), fmt::join(spec.shape, ", ")));
    }
    if (!found->second.is_floating_point()) throw DataError(fmt::format("{}: tensor '{}' holds no floating-point numbers", origin, name));
  }
  std::ranges::sort(known);
  for (auto it = weights.lower_bound(prefix); it != weights.end() && it->first.starts_with(prefix); ++it) {
    if (!std::ranges::binary_search(known, it->first)) {
      throw DataError(
          fmt::format("{}: the config has no tensor '{}'{}", origin, it->first, did_you_mean(it->first, {nearest_name(it->first, known)})));
    }
  }
}

}  // namespace espalier::network
