#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/training/lora.h"
#include "runtime/training/optimizer.h"

namespace espalier::training {

// The weights of a network in training. Trained are copies of the chosen components' weights or, with LoRA, an adapter beside them; all
// other weights are the model's own tensors, without gradients.
class TrainableWeights {
 public:
  // A new adapter starts from random values, a function of (seed, module's name); training continues an adapter that the model already has.
  // Throws ConfigError as LoraOptions::targets(), and if the existing adapter has another rank or other modules.
  TrainableWeights(std::string who, const Model& start, const std::vector<std::string>& components, const LoraOptions& lora,
                   std::uint64_t seed);

  // The leaves that train() trains, which require gradients; an adapter's are in float32, its lora_B without the scale.
  const NamedParameters& parameters() const { return parameters_; }

  // All weights, as a network takes them, for one backward pass.
  const Weights& current();

  // Returns the model with the trained weights in place of the parameters. `info` is from Trainer::trained_info(), without digests. Throws
  // StageError for an adapter whose lora_B are still all zero.
  Model finish(const Weights& trained, ModelInfo info) const;

 private:
  void copy(const std::vector<std::string>& components);
  void begin_adapter(const std::vector<std::string>& modules, std::int64_t rank, std::uint64_t seed);
  void go_on_with_adapter(const std::vector<std::string>& modules, std::int64_t rank);
  void add_parameter(const std::string& name, const at::Tensor& values);

  std::string who_;
  const Model& start_;
  LoraOptions lora_;
  NamedParameters parameters_;
  Weights weights_;
};

}  // namespace espalier::training
