#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/trainer.h"
#include "runtime/training/communicator.h"
#include "runtime/training/loop_options.h"

namespace espalier::training {

// A leaf to train: a copy of the weight on the device, in float32 where the weight has less, so that small steps are not rounded away.
at::Tensor trainable_copy(const at::Tensor& weight, at::Device device);

// Copies of all weights on `device`, each a leaf that requires gradients. Throws ConfigError for a model with an adapter
// (trainable_weights.h trains those).
NamedParameters trainable_copies(const Weights& weights, at::Device device);

// The numbers first .. first + size - 1 of a batch's samples in the endless stream that a run draws from: of batch b, b * size on.
std::vector<std::uint64_t> stream_positions(std::int64_t batch, std::int64_t size);

// Which of `size` samples each position of the stream is: position p is in epoch p / size, each epoch a permutation.
std::vector<std::int64_t> shuffled_rows(const std::vector<std::uint64_t>& positions, std::uint64_t size, const random::StreamKey& order);

// What a trainer minimises. What is drawn for a batch must be a function of the seed and the batch's number, so that training goes on
// exactly where it stopped.
class Objective {
 public:
  virtual ~Objective() = default;
  // Names of the curves, the loss first. A point of a curve is the mean over the batches since the point before.
  virtual std::vector<std::string> curves() const { return {"loss"}; }
  // The curves' values of one batch: scalars on the device, the loss to minimise first.
  virtual std::vector<at::Tensor> values(std::int64_t batch) = 0;
  // What a checkpoint holds besides the loop's own "model", "optimizer", "ema" and "curves". load() runs without gradients.
  virtual void save(Checkpoint& checkpoint) const { (void)checkpoint; }
  virtual void load(const Checkpoint& checkpoint) { (void)checkpoint; }
};

// What training ends with.
struct Trained {
  TensorMap weights;  // of the parameters' names: their values or, with use_ema, their moving average
  TensorMap state;    // with keep_state: "optimizer.<name>.exp_avg" and so on; else empty
};

// Trains the parameters (leaves that require gradients) in place by AdamW, from the newest checkpoint or from where they are, up to
// max_train_steps. Optimizer step s has the batches s * gradient_accumulation_steps on, of every rank its own. `who` (the trainer's type)
// begins messages. Throws Stopped after saving where a stop was requested before the last step, StageError where a mean loss or a weight
// at the end is not finite, DataError where a state that was handed on is of other parameters.
Trained train(const TrainerInput& input, const std::string& who, const NamedParameters& parameters, const LoopOptions& options,
              Objective& objective, const Communicator& communicator = OneRank());

}  // namespace espalier::training
