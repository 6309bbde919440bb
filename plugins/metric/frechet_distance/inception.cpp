#include "plugins/metric/frechet_distance/inception.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include <string>
#include <string_view>
#include <vector>

#include "runtime/modelfile/safetensors.h"
#include "runtime/network/layers.h"
#include "runtime/tensor/finite.h"

namespace espalier::frechet_distance::inception {
namespace {

constexpr double kEps = 1e-3;  // of the batch norms
constexpr std::int64_t kClasses = 1008;
constexpr std::string_view kCounter = ".num_batches_tracked";  // of training; no part of the function

// Convolution without a bias, batch norm, ReLU.
struct Conv {
  std::string name;
  std::int64_t channels;
  std::int64_t height, width;
  std::int64_t stride = 1;
  bool padded = true;  // by (kernel - 1) / 2, which keeps the size where the stride is 1
};

enum class Pool { none, mean, largest, halving };  // 3 x 3; the first two keep the size

// pool, then convs one after the other, then ends side by side.
struct Branch {
  std::vector<Conv> convs;
  std::vector<Conv> ends = {};
  Pool pool = Pool::none;
};

// Branches side by side on one input, their channels concatenated.
struct Block {
  std::string name;  // in front of its weights' names
  std::vector<Branch> branches;
};

Block stem(const Conv& conv) { return {"", {{.convs = {conv}}}}; }
Block halving() { return {"", {{.convs = {}, .ends = {}, .pool = Pool::halving}}}; }
Branch pooled(Pool pool, std::int64_t channels) { return {.convs = {{"branch_pool", channels, 1, 1}}, .ends = {}, .pool = pool}; }

Block a(const std::string& name, std::int64_t pool_channels) {
  return {name,
          {{.convs = {{"branch1x1", 64, 1, 1}}},
           {.convs = {{"branch5x5_1", 48, 1, 1}, {"branch5x5_2", 64, 5, 5}}},
           {.convs = {{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3}}},
           pooled(Pool::mean, pool_channels)}};
}

Block b(const std::string& name) {
  return {name,
          {{.convs = {{"branch3x3", 384, 3, 3, 2, false}}},
           {.convs = {{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3, 2, false}}},
           {.convs = {}, .ends = {}, .pool = Pool::halving}}};
}

Block c(const std::string& name, std::int64_t n) {
  return {name,
          {{.convs = {{"branch1x1", 192, 1, 1}}},
           {.convs = {{"branch7x7_1", n, 1, 1}, {"branch7x7_2", n, 1, 7}, {"branch7x7_3", 192, 7, 1}}},
           {.convs = {{"branch7x7dbl_1", n, 1, 1},
                      {"branch7x7dbl_2", n, 7, 1},
                      {"branch7x7dbl_3", n, 1, 7},
                      {"branch7x7dbl_4", n, 7, 1},
                      {"branch7x7dbl_5", 192, 1, 7}}},
           pooled(Pool::mean, 192)}};
}

Block d(const std::string& name) {
  return {name,
          {{.convs = {{"branch3x3_1", 192, 1, 1}, {"branch3x3_2", 320, 3, 3, 2, false}}},
           {.convs = {{"branch7x7x3_1", 192, 1, 1},
                      {"branch7x7x3_2", 192, 1, 7},
                      {"branch7x7x3_3", 192, 7, 1},
                      {"branch7x7x3_4", 192, 3, 3, 2, false}}},
           {.convs = {}, .ends = {}, .pool = Pool::halving}}};
}

Block e(const std::string& name, Pool pool) {
  return {name,
          {{.convs = {{"branch1x1", 320, 1, 1}}},
           {.convs = {{"branch3x3_1", 384, 1, 1}}, .ends = {{"branch3x3_2a", 384, 1, 3}, {"branch3x3_2b", 384, 3, 1}}},
           {.convs = {{"branch3x3dbl_1", 448, 1, 1}, {"branch3x3dbl_2", 384, 3, 3}},
            .ends = {{"branch3x3dbl_3a", 384, 1, 3}, {"branch3x3dbl_3b", 384, 3, 1}}},
           pooled(pool, 192)}};
}

std::vector<Block> network() {
  return {stem({"Conv2d_1a_3x3", 32, 3, 3, 2, false}),
          stem({"Conv2d_2a_3x3", 32, 3, 3, 1, false}),
          stem({"Conv2d_2b_3x3", 64, 3, 3}),
          halving(),
          stem({"Conv2d_3b_1x1", 80, 1, 1}),
          stem({"Conv2d_4a_3x3", 192, 3, 3, 1, false}),
          halving(),
          a("Mixed_5b.", 32),
          a("Mixed_5c.", 64),
          a("Mixed_5d.", 64),
          b("Mixed_6a."),
          c("Mixed_6b.", 128),
          c("Mixed_6c.", 160),
          c("Mixed_6d.", 160),
          c("Mixed_6e.", 192),
          d("Mixed_7a."),
          e("Mixed_7b.", Pool::mean),
          e("Mixed_7c.", Pool::largest)};
}

// What a conv's weights are called; gives the channels that come out.
std::int64_t declare(const Block& block, const Conv& conv, std::int64_t channels, network::WeightSpecs& specs) {
  const auto name = block.name + conv.name;
  specs.add({name + ".conv.weight", {conv.channels, channels, conv.height, conv.width}});
  specs.norm(name + ".bn", conv.channels);
  specs.add({name + ".bn.running_mean", {conv.channels}});
  specs.add({name + ".bn.running_var", {conv.channels}});
  return conv.channels;
}

network::WeightSpecs specs() {
  network::WeightSpecs specs;
  std::int64_t channels = 3;
  for (const auto& block : network()) {
    std::int64_t out = 0;
    for (const auto& branch : block.branches) {
      auto within = channels;
      for (const auto& conv : branch.convs) within = declare(block, conv, within, specs);
      for (const auto& end : branch.ends) out += declare(block, end, within, specs);
      if (branch.ends.empty()) out += within;
    }
    channels = out;
  }
  specs.linear("fc", channels, kClasses);
  return specs;
}

at::Tensor run(const network::Scope& scope, const Conv& conv, const at::Tensor& x) {
  const auto padding = conv.padded ? std::vector<std::int64_t>{conv.height / 2, conv.width / 2} : std::vector<std::int64_t>{0, 0};
  const auto y = at::conv2d(x, scope.at("conv")["weight"], {}, at::IntArrayRef{conv.stride, conv.stride}, padding);
  const auto norm = scope.at("bn");
  return at::relu(at::batch_norm(y, norm["weight"], norm["bias"], norm["running_mean"], norm["running_var"], /*training=*/false,
                                 /*momentum=*/0.0, kEps, /*cudnn_enabled=*/false));
}

at::Tensor run(Pool pool, const at::Tensor& x) {
  switch (pool) {
    case Pool::mean:
      return at::avg_pool2d(x, 3, 1, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
    case Pool::largest:
      return at::max_pool2d(x, 3, 1, 1);
    case Pool::halving:
      return at::max_pool2d(x, 3, 2);
    case Pool::none:
      break;
  }
  return x;
}

at::Tensor run(const Weights& weights, const Block& block, const at::Tensor& x) {
  const network::Scope scope(weights, block.name);
  std::vector<at::Tensor> outputs;
  for (const auto& branch : block.branches) {
    auto y = run(branch.pool, x);
    for (const auto& conv : branch.convs) y = run(scope.at(conv.name), conv, y);
    for (const auto& end : branch.ends) outputs.push_back(run(scope.at(end.name), end, y));
    if (branch.ends.empty()) outputs.push_back(y);
  }
  return at::cat(outputs, 1);
}

}  // namespace

Weights read(const std::filesystem::path& path) {
  auto weights = modelfile::read_safetensors(path);
  std::erase_if(weights, [](const auto& entry) { return entry.first.ends_with(kCounter); });
  specs().check(weights, "", path.string());
  tensor::require_finite_weights(weights, path.string());
  weights.erase("fc.weight");
  weights.erase("fc.bias");
  for (auto& [name, weight] : weights) weight = weight.to(at::kFloat);
  return weights;
}

at::Tensor features(const Weights& weights, const at::Tensor& image) {
  auto x = image.mul(2.0).sub(1.0);
  for (const auto& block : network()) x = run(weights, block, x);
  return x.mean({2, 3});
}

}  // namespace espalier::frechet_distance::inception
