#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/encoding.h"
#include "runtime/sdk/findings.h"
#include "runtime/sdk/selected_trajectories.h"
#include "runtime/sdk/stage_context.h"

namespace espalier {

// All that a training run needs to go on exactly where it stopped.
struct Checkpoint {
  std::int64_t step = 0;
  std::map<std::string, TensorMap> tensors;  // "model", "optimizer", "ema": one safetensors file each
  Value state;                               // anything else
};

class Checkpoints {
 public:
  virtual ~Checkpoints() = default;
  virtual std::optional<Checkpoint> newest() = 0;       // where the newest is damaged, reports that and gives the one before
  virtual void save(const Checkpoint& checkpoint) = 0;  // durable when it returns; older ones are removed afterwards
};

// Scalars over training steps ("loss", "learning_rate"); for the report and TensorBoard.
class CurveLog {
 public:
  virtual ~CurveLog() = default;
  virtual void scalar(const std::string& name, std::int64_t step, double value) = 0;
};

// What training leaves: a model and, for a trainer that goes on from it, what is no part of the model (moments of the optimizer, say).
struct TrainedModel {
  Model model;
  TensorMap state = {};  // stored beside the model; the engine gives it to a trainer whose input `model` this is
};

struct TrainerInput {
  const Domain& domain;
  const Model& model;                     // where training starts, weights on the context's device; empty where the stage names none
  const SelectedTrajectories* selection;  // null: neither a selection nor scores are given; train on examples
  std::uint64_t seed;
  StageContext context;  // when a stop is requested: save a checkpoint, throw Stopped
  Checkpoints& checkpoints;
  CurveLog& curves;
  std::shared_ptr<const Codec> codec = nullptr;               // of the model's states; null where it is no denoiser
  std::shared_ptr<const EncodedExamples> examples = nullptr;  // recorded noises (the input `examples`); null: the domain's own
  std::optional<CorrectedSampling> corrects = std::nullopt;   // what a flow trained on them is for (ModelInfo::corrects)
  const TensorMap* state = nullptr;                           // TrainedModel::state of the model; null: it has none
  const Findings* profile = nullptr;                          // the input `profile`; null: the stage names none
  std::shared_ptr<const Model> reference = nullptr;           // the input `reference`: the model to stay near; null: none

  // The domain's examples of a split as the model's states. Throws ConfigError naming the splits, InternalError without a codec.
  std::shared_ptr<const EncodedExamples> encoded(const std::string& split) const;
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
  // What cannot be trained, from `start`, on trajectories of these models, in the order in which their sampler names them. Called before
  // anything is sampled, where the stage has a selection or scores and all models are known. Throws ConfigError.
  virtual void check_sampling(const ModelInfo& start, const std::vector<ModelInfo>& sampled_with) const { (void)start, (void)sampled_with; }
  virtual std::int64_t max_train_steps() const = 0;
  virtual TrainedModel train(const TrainerInput& input) const = 0;
};

}  // namespace espalier
