#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/modelfile/model.h"
#include "runtime/sdk/schema.h"

namespace espalier::training {

// The options of trainers that can train an adapter (network/adapter.h) instead of a model's weights. PEFT's names; the defaults are those
// of diffusers' script train_text_to_image_lora.
struct LoraOptions {
  std::int64_t rank = 0;    // 0: the weights themselves are trained
  double lora_alpha = 0.0;  // 0: the rank
  std::vector<std::string> target_modules = {"to_q", "to_k", "to_v", "to_out.0"};
  std::string init_lora_weights = "gaussian";
  bool use_rslora = false;

  // All are left out of keys at their defaults, and lora_alpha where it is the rank.
  void options(Schema& schema);
  // For Plugin::check(). Throws ConfigError where the others are set and rank is 0, or target_modules is empty.
  void check(const std::string& who) const;

  bool enabled() const { return rank > 0; }
  double scale() const;  // of B (A x): alpha / rank, or with use_rslora alpha / sqrt(rank)

  // Of `modules` those whose name, or an end of it after a point, is a target, and that are of these components. Throws ConfigError naming
  // a target that none matches, or a component that cannot have an adapter.
  std::vector<std::string> targets(const std::string& who, const std::vector<std::string>& modules,
                                   const std::vector<std::string>& components) const;

  // For Trainer::trained_info(): ModelInfo::base and ::adapter of what training from `info` gives (of the adapter, that there is one).
  // Throws ConfigError as targets() where the modules are known, and where the weights of a model with an adapter would be trained.
  void plan(const std::string& who, const std::vector<std::string>& components, ModelInfo& info) const;
};

}  // namespace espalier::training
