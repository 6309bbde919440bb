#include "runtime/network/adapter.h"

#include <algorithm>

namespace espalier::network {
namespace {

constexpr std::string_view kWeight = ".weight";

Weights chosen(const Weights& weights, bool of_adapter) {
  Weights part;
  for (const auto& [name, tensor] : weights) {
    if (is_adapter_weight(name) == of_adapter) part.emplace_hint(part.end(), name, tensor);
  }
  return part;
}

}  // namespace

bool is_adapter_weight(std::string_view name) { return name.ends_with(kLoraA) || name.ends_with(kLoraB); }

bool has_adapter(const Weights& weights) {
  return std::ranges::any_of(weights, [](const auto& weight) { return is_adapter_weight(weight.first); });
}

Weights adapter_of(const Weights& weights) { return chosen(weights, true); }
Weights without_adapter(const Weights& weights) { return chosen(weights, false); }

std::vector<std::string> adaptable_modules(const Weights& weights) {
  std::vector<std::string> modules;
  for (const auto& [name, tensor] : weights) {
    if (!name.ends_with(kWeight) || is_adapter_weight(name) || (tensor.dim() != 2 && tensor.dim() != 4)) continue;
    modules.push_back(name.substr(0, name.size() - kWeight.size()));
  }
  std::ranges::sort(modules);
  return modules;
}

AdapterShapes adapter_shapes(const at::Tensor& weight, std::int64_t rank) {
  auto shape = weight.sizes().vec();
  const auto out = shape[0];
  shape[0] = rank;
  if (weight.dim() == 4) return {std::move(shape), {out, rank, 1, 1}};
  return {std::move(shape), {out, rank}};
}

}  // namespace espalier::network
