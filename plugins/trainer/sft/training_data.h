#pragma once

#include <memory>

#include "plugins/trainer/sft/reward_weights.h"
#include "runtime/sdk/trainer.h"

namespace espalier::sft {

// One micro-batch to train on: where noising starts, the conditions as the model takes them, and each sample's weight (1 on average).
struct TrainingRows {
  diffusion::TrainingBatch batch;  // [B, ...] on the device
  TensorMap condition;             // [B, ...] on the device
  at::Tensor weight;               // [B], undefined when all are 1
};

// What training draws from. rows() is a function of the positions alone: position p of an endless stream is the p-th example of a
// generated set, or in epoch p / size the shuffled_index of a finite one.
class TrainingData {
 public:
  virtual ~TrainingData() = default;
  virtual TrainingRows rows(const std::vector<std::uint64_t>& positions) const = 0;
};

std::unique_ptr<TrainingData> examples_data(std::shared_ptr<const EncodedExamples> examples, random::StreamKey order, at::Device device);

// What is read of selected or scored trajectories, and how their samples are weighted.
struct SelectionOptions {
  std::string loss;  // P-GRAFT. "forward": noising starts at the recorded X_t; "clean": at X_0, restricted to levels noisier than t
  std::int64_t steps_remaining = 0;  // of X_t
  RewardWeighting reward = {};
  std::int64_t step_samples = 1;  // positions of an optimizer step; weights by batch have the mean 1 over them
};
std::unique_ptr<TrainingData> selection_data(const SelectedTrajectories& selection, const Model& model, const SelectionOptions& options,
                                             random::StreamKey order, at::Device device);

}  // namespace espalier::sft
