#pragma once

#include <functional>
#include <vector>

#include "runtime/network/layers.h"

namespace espalier::network {

// While it lives, on this thread, the parts of networks that checkpointed() runs keep their inputs alone for the gradients' sake, and run
// once more when the gradients pass through them: in less memory and more time the same predictions, and the same gradients but for the
// order of their sums.
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

// A part of a network: a function of the weights of a scope and of tensors alone. It must outlive nothing but the network.
using NetworkPart = std::function<at::Tensor(const Scope& weights, const std::vector<at::Tensor>& inputs)>;
at::Tensor checkpointed(const Scope& weights, const std::vector<at::Tensor>& inputs, const NetworkPart& part);

}  // namespace espalier::network
