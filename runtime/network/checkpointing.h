#pragma once

#include <functional>
#include <vector>

#include "runtime/network/layers.h"

namespace espalier::network {

// While an enabled object exists, the parts of networks that checkpointed() runs on this thread keep only their inputs for the gradients
// and run again in the backward pass. This takes less memory and more time; predictions are the same, and gradients up to the order of
// their sums.
class GradientCheckpointing {
 public:
  explicit GradientCheckpointing(bool enabled);
  ~GradientCheckpointing();
  GradientCheckpointing(const GradientCheckpointing&) = delete;
  GradientCheckpointing& operator=(const GradientCheckpointing&) = delete;
  static bool enabled();

 private:
  bool before_;
};

// A part of a network: a function only of the weights of a scope and of tensors. It runs again in the backward pass, so it may refer to
// nothing that ends before the network does.
using NetworkPart = std::function<at::Tensor(const Scope& weights, const std::vector<at::Tensor>& inputs)>;
at::Tensor checkpointed(const Scope& weights, const std::vector<at::Tensor>& inputs, const NetworkPart& part);

}  // namespace espalier::network
