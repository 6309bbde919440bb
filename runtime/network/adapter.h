#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/network/network.h"

// Adapters (LoRA, arXiv 2106.09685) under PEFT's names. A module "<m>" with the weight W has two more tensors beside it,
//   "<m>.lora_A.weight" [r, in] and "<m>.lora_B.weight" [out, r], of a convolution [r, in, h, w] and [out, r, 1, 1],
// and computes W x + B (A x). PEFT's scale (alpha / r) is part of B. They are float32 whatever the dtype of W.
namespace espalier::network {

inline constexpr std::string_view kLoraA = "lora_A.weight";
inline constexpr std::string_view kLoraB = "lora_B.weight";

bool is_adapter_weight(std::string_view name);
bool has_adapter(const Weights& weights);
Weights adapter_of(const Weights& weights);       // the adapters' tensors alone
Weights without_adapter(const Weights& weights);  // the others; both share the tensors

// The modules of these weights that can have an adapter, sorted: those whose "<m>.weight" is a matrix or a convolution.
std::vector<std::string> adaptable_modules(const Weights& weights);

// The shapes of A and B at this rank, beside a module's weight.
struct AdapterShapes {
  std::vector<std::int64_t> lora_A, lora_B;
};
AdapterShapes adapter_shapes(const at::Tensor& weight, std::int64_t rank);

}  // namespace espalier::network
