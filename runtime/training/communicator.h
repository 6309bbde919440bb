#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace espalier::training {

// The processes that train one model together, each on its own batches, with equal weights. All ranks make the same calls in the same
// order.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual std::int64_t rank() const = 0;  // 0 .. size() - 1; rank 0 saves checkpoints and logs
  virtual std::int64_t size() const = 0;
  // Replaces each tensor, in place, by its mean over the ranks. Tensors have the same shapes on every rank.
  virtual void all_reduce_mean(const std::vector<at::Tensor>& tensors) const = 0;
};

// A process that trains alone.
class OneRank final : public Communicator {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void all_reduce_mean(const std::vector<at::Tensor>&) const override {}
};

}  // namespace espalier::training
