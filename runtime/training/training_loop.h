#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/trainer.h"
#include "runtime/training/communicator.h"
#include "runtime/training/loop_options.h"

namespace espalier::training {

// Returns a leaf to train: a copy of the weight on the device, in float32 if the weight has lower precision, so that small steps are not
// lost to rounding.
at::Tensor trainable_copy(const at::Tensor& weight, at::Device device);

// Returns copies of all weights on `device`, each a leaf that requires gradients. Throws ConfigError for a model with an adapter
// (trainable_weights.h trains those).
NamedParameters trainable_copies(const Weights& weights, at::Device device);

// Returns the positions b * size, ..., b * size + size - 1 of the samples of batch b in the endless stream that a run draws from.
std::vector<std::uint64_t> stream_positions(std::int64_t batch, std::int64_t size);

// Returns which of `size` samples is at each position of the stream: position p is in epoch p / size; each epoch is a permutation.
std::vector<std::int64_t> shuffled_rows(const std::vector<std::uint64_t>& positions, std::uint64_t size, const random::StreamKey& order);

// What a trainer minimises. The draws of a batch must be a function of the seed and the batch's number, so that training resumes exactly
// where it stopped.
class Objective {
 public:
  virtual ~Objective() = default;
  // Names of the curves, the loss first. A point of a curve is the mean over the batches since the previous point.
  virtual std::vector<std::string> curves() const { return {"loss"}; }
  // Returns the curves' values for one batch: scalars on the device, first the loss to minimise.
  virtual std::vector<at::Tensor> values(std::int64_t batch) = 0;
  // Save and load what a checkpoint holds besides the loop's own "model", "optimizer", "ema" and "curves". load() runs without gradients.
  virtual void save(Checkpoint& checkpoint) const { (void)checkpoint; }
  virtual void load(const Checkpoint& checkpoint) { (void)checkpoint; }
};

// The result of training.
struct Trained {
  TensorMap weights;  // under the parameters' names: their values or, with use_ema, their moving averages
  TensorMap state;    // with keep_state: "optimizer.<name>.exp_avg" and so on; else empty
};

// Trains the parameters (leaves that require gradients) in place with AdamW, from the newest checkpoint or from their current values, up to
// max_train_steps. Optimizer step s uses the batches from s * gradient_accumulation_steps on; each rank has its own. Messages begin with
// `who`, the trainer's type. Throws Stopped after saving if a stop was requested before the last step, StageError if a mean loss or a final
// weight is not finite, DataError if TrainerInput::state is of other parameters.
Trained train(const TrainerInput& input, const std::string& who, const NamedParameters& parameters, const LoopOptions& options,
              Objective& objective, const Communicator& communicator = OneRank());

}  // namespace espalier::training
