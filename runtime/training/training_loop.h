#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sdk/trainer.h"
#include "runtime/training/optimization.h"

namespace espalier::training {

using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

// Copies of all weights on `device`, each a leaf that requires gradients.
NamedParameters trainable_copies(const Weights& weights, at::Device device);

struct LoopSettings {
  std::string name;  // of the trainer, for messages: "trainer.sft"
  Optimization optimization;
  std::int64_t max_train_steps = 1;      // optimizer steps in all
  std::int64_t checkpointing_steps = 1;  // optimizer steps between checkpoints
  std::int64_t logging_steps = 1;        // optimizer steps between points of the curves
};

// Where curves get a point.
struct CurvePoint {
  std::int64_t step = 0;       // optimizer steps taken so far
  std::int64_t since = 0;      // of them, those since the point before
  double learning_rate = 0.0;  // of the last one
};

using CurveValues = std::vector<std::pair<std::string, double>>;  // name, value

// What a trainer minimises. A step is known by how many were taken before it; what is drawn for it must be a function of the seed and that
// number, so that training goes on exactly where it stopped.
class Objective {
 public:
  virtual ~Objective() = default;
  // Adds the step's gradients to those of the parameters, and what the curves need to what is kept since the last point.
  virtual void add_gradients(std::int64_t step) = 0;
  // The optimizer has taken the step.
  virtual void after_step(std::int64_t step) { (void)step; }
  // The point's values, the mean loss first; what is kept begins anew.
  virtual CurveValues curve_values(const CurvePoint& point) = 0;
  // What a checkpoint holds besides the tensors "model" and "optimizer". load() runs without gradients.
  virtual void save(Checkpoint& checkpoint) const = 0;
  virtual void load(const Checkpoint& checkpoint) = 0;
};

// Trains the parameters (leaves that require gradients) in place by AdamW, from the newest checkpoint or from where they are, up to
// max_train_steps. The caller ends the progress. Throws Stopped after saving where a stop was asked for before the last step, and
// StageError where a mean loss or a weight at the end is not finite.
void train(const TrainerInput& input, const NamedParameters& parameters, const LoopSettings& settings, Objective& objective);

}  // namespace espalier::training
