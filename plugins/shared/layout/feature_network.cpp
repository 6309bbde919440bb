#include "plugins/shared/layout/feature_network.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <fmt/format.h>

#include <algorithm>
#include <numbers>

#include "runtime/base/errors.h"
#include "runtime/network/config_keys.h"
#include "runtime/network/layers.h"

namespace espalier::layout {
namespace {

constexpr const char* kType = "layout_transformer";
constexpr std::int64_t kWaves = 4;  // frequencies, doubling
constexpr std::int64_t kBoxInputs = 4 + 4 * 2 * kWaves;
constexpr double kEps = 1e-5;

std::string block(std::int64_t i) { return "blocks." + std::to_string(i) + "."; }

network::WeightSpecs specs(const FeatureConfig& config) {
  network::WeightSpecs specs;
  const std::int64_t width = config.width;
  specs.add({"token", {width}, network::WeightSpec::Law::normal, 1.0});
  specs.add({"class.weight", {config.classes, width}, network::WeightSpec::Law::normal, 1.0});
  specs.linear("box", kBoxInputs, width);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    for (const char* name : {"query", "key", "value", "out"}) specs.linear(block(i) + name, width, width);
    specs.linear(block(i) + "mlp_in", width, 2 * width);
    specs.linear(block(i) + "mlp_out", 2 * width, width);
    specs.norm(block(i) + "norm_attention", width);
    specs.norm(block(i) + "norm_mlp", width);
  }
  specs.norm("norm", width);
  specs.linear("real", width, 1);
  specs.linear("map", width, config.classes * kGrid * kGrid);
  return specs;
}

// sin and cos at doubling frequencies, so that small differences of place change the input.
at::Tensor waves(const at::Tensor& box) {
  std::vector<at::Tensor> parts{box * 2.0 - 1.0};
  double frequency = std::numbers::pi;
  for (std::int64_t k = 0; k < kWaves; ++k, frequency *= 2.0) {
    parts.push_back((box * frequency).sin());
    parts.push_back((box * frequency).cos());
  }
  return at::cat(parts, -1);  // [B, M, kBoxInputs]
}

at::Tensor attend(const network::Scope& scope, const at::Tensor& x, const at::Tensor& mask) {
  const auto split = [&](const char* name) {
    return network::linear(scope.at(name), x).view({x.size(0), x.size(1), kHeads, -1}).transpose(1, 2);  // [B, h, N, d]
  };
  const auto mixed = at::scaled_dot_product_attention(split("query"), split("key"), split("value"), mask);
  return network::linear(scope.at("out"), mixed.transpose(1, 2).reshape(x.sizes()));
}

void require_known(const FeatureConfig& config, const at::Tensor& class_index) {
  if (class_index.numel() == 0) return;
  const auto largest = class_index.max().item<std::int64_t>();
  if (largest >= config.classes) {
    throw StageError(fmt::format("the layout network has the classes 0 to {}, but a page has class {}", config.classes - 1, largest));
  }
}

}  // namespace

Value FeatureConfig::to_value() const { return Value::Map{{"type", kType}, {"classes", classes}, {"width", width}, {"layers", layers}}; }

FeatureConfig FeatureConfig::from_value(const Value& value, const std::string& origin) {
  try {
    if (value.at("type").as_string() != kType) {
      throw DataError("type is '" + value.at("type").as_string() + "', not '" + kType + "'");
    }
    FeatureConfig config{value.at("classes").as_integer(), value.at("width").as_integer(), value.at("layers").as_integer()};
    const auto most = std::max({config.classes, config.layers, config.width});
    if (config.classes < 1 || config.layers < 1 || config.width < kHeads || config.width % kHeads != 0 || most > network::kMostExtent) {
      throw DataError(fmt::format("needs at least one class and one layer, a width that is a multiple of {}, and at most {} of each",
                                  kHeads, network::kMostExtent));
    }
    return config;
  } catch (const DataError& error) {
    throw DataError(origin + ": no layout network's config: " + error.what());
  }
}

Weights initialize_features(const FeatureConfig& config, std::uint64_t seed) { return specs(config).initialize("", seed); }

void check_features(const FeatureConfig& config, const Weights& weights, const std::string& origin) {
  specs(config).check(weights, "", origin);
}

at::Tensor page_features(const FeatureConfig& config, const Weights& weights, const at::Tensor& class_index, const at::Tensor& box) {
  require_known(config, class_index);
  const network::Scope scope(weights, "");
  const auto present = class_index.ge(0);                                                   // [B, M]
  const auto clean = box.masked_fill(present.logical_not().unsqueeze(-1), 0.0);             // [B, M, 4]
  const auto named = at::embedding(scope.at("class")["weight"], class_index.clamp_min(0));  // [B, M, width]
  const auto token = scope["token"].view({1, 1, -1}).expand({box.size(0), 1, config.width});
  auto x = at::cat({token, named + network::linear(scope.at("box"), waves(clean))}, 1);  // [B, 1 + M, width]
  const auto mask = at::cat({at::ones({box.size(0), 1}, present.options()), present}, 1).view({box.size(0), 1, 1, -1});
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const auto here = scope.at("blocks", static_cast<std::size_t>(i));
    x = x + attend(here, network::layer_norm(here.at("norm_attention"), x, kEps), mask);
    const auto hidden = at::gelu(network::linear(here.at("mlp_in"), network::layer_norm(here.at("norm_mlp"), x, kEps)));
    x = x + network::linear(here.at("mlp_out"), hidden);
  }
  return network::layer_norm(scope.at("norm"), x.select(1, 0), kEps);
}

PageHeads page_heads(const FeatureConfig& config, const Weights& weights, const at::Tensor& features) {
  const network::Scope scope(weights, "");
  return {network::linear(scope.at("real"), features).squeeze(-1),
          network::linear(scope.at("map"), features).view({features.size(0), config.classes, kGrid, kGrid})};
}

at::Tensor page_map(const at::Tensor& class_index, const at::Tensor& box, std::int64_t classes) {
  const auto cell = at::arange(kGrid, box.options()) / static_cast<double>(kGrid);  // left edges
  const auto covered = [&](std::int64_t axis) {
    const auto centre = box.select(2, axis).unsqueeze(-1), half = box.select(2, axis + 2).unsqueeze(-1) / 2.0;
    const auto low = at::maximum(centre - half, cell), high = at::minimum(centre + half, cell + 1.0 / kGrid);
    return (high - low).clamp_min(0.0) * static_cast<double>(kGrid);  // [B, M, kGrid], the share of each cell's side
  };
  const auto which = at::one_hot(class_index.clamp_min(0), classes).to(box.scalar_type()) *
                     class_index.ge(0).unsqueeze(-1).to(box.scalar_type());  // [B, M, classes]
  return at::einsum("bmk,bmy,bmx->bkyx", {which, covered(1), covered(0)}).clamp_max(1.0);
}

}  // namespace espalier::layout
