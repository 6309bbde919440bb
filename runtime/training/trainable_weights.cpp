#include "runtime/training/trainable_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/network/adapter.h"
#include "runtime/random/streams.h"
#include "runtime/training/training_loop.h"

namespace espalier::training {
namespace {

using network::kLoraA, network::kLoraB;

std::string lora_A_of(const std::string& module) { return fmt::format("{}.{}", module, kLoraA); }
std::string lora_B_of(const std::string& module) { return fmt::format("{}.{}", module, kLoraB); }

// PEFT's reset_lora_parameters.
at::Tensor initial_lora_A(const std::string& module, const std::vector<std::int64_t>& shape, const std::string& law, std::uint64_t seed) {
  random::Draws draws(random::streams::initial_adapter(seed, crc32c(module)), {0});
  const auto rank = static_cast<double>(shape[0]);
  if (law == "gaussian") return draws.normals(shape).select(0, 0).div(rank).to(at::kFloat);
  const auto uniform = draws.uniforms(shape).select(0, 0).mul(2.0).sub(1.0);
  return uniform.mul(std::sqrt(rank / static_cast<double>(uniform.numel()))).to(at::kFloat);  // +-1 / sqrt(fan_in)
}

bool is_zero(const at::Tensor& tensor) { return tensor.count_nonzero().item<std::int64_t>() == 0; }

}  // namespace

TrainableWeights::TrainableWeights(std::string who, const Model& start, const std::vector<std::string>& components, const LoraOptions& lora,
                                   std::uint64_t seed)
    : who_(std::move(who)), start_(start), lora_(lora) {
  auto planned = start.info;
  lora.plan(who_, components, planned);
  for (const auto& [name, tensor] : start.weights) weights_.emplace_hint(weights_.end(), name, tensor.detach());
  if (!lora.enabled()) {
    copy(components);
    return;
  }
  const auto modules = lora.targets(who_, network::adaptable_modules(start.weights), components);
  if (start.info.adapter.empty()) {
    begin_adapter(modules, lora.rank, seed);
  } else {
    go_on_with_adapter(modules, lora.rank);
  }
}

void TrainableWeights::copy(const std::vector<std::string>& components) {
  for (const auto& [name, tensor] : start_.weights) {
    const auto trained = [&](const auto& component) { return name.starts_with(component + "."); };
    if (std::ranges::any_of(components, trained)) add_parameter(name, trainable_copy(tensor, tensor.device()));
  }
}

void TrainableWeights::add_parameter(const std::string& name, const at::Tensor& values) {
  const auto& own = values.requires_grad_();
  parameters_.emplace_back(name, own);
  weights_.insert_or_assign(name, own);
}

void TrainableWeights::begin_adapter(const std::vector<std::string>& modules, std::int64_t rank, std::uint64_t seed) {
  for (const auto& module : modules) {
    const auto& weight = start_.weights.at(module + ".weight");
    const auto shapes = network::adapter_shapes(weight, rank);
    add_parameter(lora_A_of(module), initial_lora_A(module, shapes.lora_A, lora_.init_lora_weights, seed).to(weight.device(), false, true));
    add_parameter(lora_B_of(module), at::zeros(shapes.lora_B, weight.options().dtype(at::kFloat)));
  }
}

void TrainableWeights::go_on_with_adapter(const std::vector<std::string>& modules, std::int64_t rank) {
  const auto there = network::adapter_of(start_.weights);
  for (const auto& module : modules) {
    const auto lora_A = there.find(lora_A_of(module)), lora_B = there.find(lora_B_of(module));
    if (lora_A == there.end() || lora_B == there.end()) {
      throw ConfigError(
          fmt::format("{}: the model's adapter has no '{}'; training goes on with the adapter's own target_modules", who_, module));
    }
    if (lora_A->second.size(0) != rank) {
      throw ConfigError(fmt::format("{}: rank is {}, but the model's adapter has rank {} at '{}'; training goes on with the adapter's own",
                                    who_, rank, lora_A->second.size(0), module));
    }
    add_parameter(lora_A->first, lora_A->second.detach().clone());
    add_parameter(lora_B->first, lora_B->second.detach() / lora_.scale());
  }
  for (const auto& [name, tensor] : there) {
    const auto module = name.substr(0, name.rfind(".lora_"));
    if (std::ranges::find(modules, module) != modules.end()) continue;
    throw ConfigError(fmt::format("{}: the model has an adapter at '{}', which target_modules leaves out; training goes on with all of it",
                                  who_, module));
  }
}

const Weights& TrainableWeights::current() {
  if (lora_.enabled() && lora_.scale() != 1.0) {
    for (const auto& [name, parameter] : parameters_) {
      if (name.ends_with(kLoraB)) weights_.at(name) = parameter * lora_.scale();
    }
  }
  return weights_;
}

Model TrainableWeights::finish(const Weights& trained, ModelInfo info) const {
  Model model = start_;
  for (const auto& [name, tensor] : trained) {
    const bool scaled = lora_.enabled() && name.ends_with(kLoraB) && lora_.scale() != 1.0;
    model.weights.insert_or_assign(name, scaled ? tensor.detach() * lora_.scale() : tensor.detach());
  }
  model.info = std::move(info);
  if (!lora_.enabled()) {
    model.info.digest = digest_weights(model.weights);
    return model;
  }
  const auto adapter = network::adapter_of(model.weights);
  if (std::ranges::all_of(adapter, [](const auto& weight) { return weight.first.ends_with(kLoraA) || is_zero(weight.second); })) {
    throw StageError(who_ +
                     ": after the last step every lora_B is 0 as at the start: learning_rate was 0, or the network of the model does not "
                     "look its weights up by network/layers.h, which adds adapters");
  }
  model.info.base = start_.info.without_adapter();
  model.info.adapter = digest_weights(adapter);
  model.info.digest = digest_with_adapter(model.info.base, model.info.adapter);
  return model;
}

}  // namespace espalier::training
