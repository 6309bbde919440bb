#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/progress.h"
#include "runtime/base/stop.h"
#include "runtime/sdk/domain.h"

namespace espalier {

// Accepted trajectories at one recorded step, in memory.
struct SelectedStates {
  State state;                  // [K, ...]
  diffusion::Level reached;     // of `state`
  std::vector<Value> metadata;  // [K]
  TensorMap condition;          // raw, [K, ...]
  std::vector<double> weight;   // [K]
};

// A selection as a trainer sees it.
class SelectionData {
 public:
  virtual ~SelectionData() = default;
  virtual std::int64_t size() const = 0;
  virtual const diffusion::Grid& grid() const = 0;                        // of the trajectories
  virtual SelectedStates states(std::int64_t steps_remaining) const = 0;  // 0, or a step that the input `selection` records
};

// All that a training run needs to go on exactly where it stopped.
struct Checkpoint {
  std::int64_t step = 0;
  std::map<std::string, TensorMap> tensors;  // "model", "optimizer", "ema": one safetensors file each
  Value state;                               // anything else
};

class Checkpoints {
 public:
  virtual ~Checkpoints() = default;
  virtual std::optional<Checkpoint> newest() = 0;       // a damaged newest one falls back to the one before, and says so
  virtual void save(const Checkpoint& checkpoint) = 0;  // durable when it returns; older ones are removed afterwards
};

// Scalars over training steps ("loss", "learning_rate"); for the report and TensorBoard.
class CurveLog {
 public:
  virtual ~CurveLog() = default;
  virtual void scalar(const std::string& name, std::int64_t step, double value) = 0;
};

struct TrainerInput {
  const Domain& domain;
  const Model& model;              // where training starts; weights on `device`
  const SelectionData* selection;  // null: train on examples
  std::uint64_t seed;
  at::Device device;
  Checkpoints& checkpoints;
  CurveLog& curves;
  Progress& progress;
  const StopToken& stop;                                     // when it asks: save a checkpoint, throw Stopped
  std::shared_ptr<const Examples> examples = nullptr;        // recorded noises (the input `examples`); null: the domain's own
  std::optional<CorrectedSampling> corrects = std::nullopt;  // what a flow trained on them is for (ModelInfo::corrects)
};

class Trainer : public Plugin {
 public:
  // What else the result depends on (digest of examples the options name, ...). Called once the domain is open.
  virtual Value identity(const Domain& domain) const {
    (void)domain;
    return Value();
  }
  // What the trained model will be, all but the digest of its weights (and of one that no sampler takes, its architecture), so that a
  // pipeline is checked to its end before anything is computed. `start`: the input `model`; `selection`: the grid of the selected
  // trajectories, null where there is no selection; `corrects`: as in TrainerInput. Pure. None: not known before. Throws ConfigError where
  // training would.
  virtual std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid* selection,
                                                const std::optional<CorrectedSampling>& corrects) const {
    (void)start, (void)selection, (void)corrects;
    return std::nullopt;
  }
  virtual std::int64_t max_train_steps() const = 0;
  virtual Model train(const TrainerInput& input) const = 0;
};

}  // namespace espalier
