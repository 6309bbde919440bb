#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/training/lora.h"
#include "runtime/training/optimizer.h"

namespace espalier::training {

// The weights of a network under training: copies of those of the chosen components or, with LoRA, an adapter beside them. All others are
// the model's own tensors, without gradients.
class TrainableWeights {
 public:
  // An adapter begins at random, a function of (seed, module's name), or where the model has one already, from that. Throws ConfigError as
  // LoraOptions::targets(), and where the adapter that is there has another rank or other modules.
  TrainableWeights(std::string who, const Model& start, const std::vector<std::string>& components, const LoraOptions& lora,
                   std::uint64_t seed);

  // What train() trains: leaves that require gradients; of an adapter in float32, lora_B without the scale.
  const NamedParameters& parameters() const { return parameters_; }

  // All weights, as a network takes them, for one backward pass.
  const Weights& current();

  // The model with what train() gave in place of the parameters. `info` is what it has besides digests, from Trainer::trained_info().
  // Throws StageError for an adapter whose lora_B are all zero still.
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
