#pragma once

#include <memory>
#include <vector>

#include "runtime/sdk/domain.h"
#include "runtime/sdk/stage_context.h"

namespace espalier {

struct RewardInput {
  const Sample& sample;                  // of a kind the reward takes, B decoded samples
  const std::vector<Value>& metadata;    // [B], each sample's condition
  const std::vector<std::string>& text;  // [B], each sample's prompt
  std::vector<std::int64_t> index = {};  // [B], the numbers of the trajectories in their set
};

struct RewardContext {
  const Domain& domain;
  std::shared_ptr<const Model> model;  // the input `model`, where the stage names one
  StageContext stage = {};
};

class Reward : public Plugin {
 public:
  // Whether it can judge with this input `model`, as far as its trainer gives it; null: the stage names none. Called before anything is
  // sampled. Throws ConfigError.
  virtual void check_model(const ModelInfo* model) const { (void)model; }
  // Once, before score(): loads what is needed. Throws ConfigError or DataError.
  virtual void open(const RewardContext& context) { (void)context; }
  // What the numbers depend on besides options and inputs (a digest of weights named by path); enters the key of scores. Called unopened.
  virtual Value identity() const { return Value(); }
  // How score() is called; its numbers may not depend on it.
  // 0: by the run's workers, several at once. n > 0: by n threads of its own beside the workers, because score() mostly waits (for a
  // program, for a device) or, with n = 1, because two threads must not call it at once.
  virtual int own_threads() const { return 0; }
  virtual std::int64_t batch_size() const { return 0; }  // with at most so many samples; 0: as many as there are
  // [B], float or double; NaN marks a sample that cannot be scored. Each thread has one intra-op thread.
  virtual at::Tensor score(const RewardInput& input) const = 0;
};

}  // namespace espalier
